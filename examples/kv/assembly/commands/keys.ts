/** Commands on keys: whether they exist, and for how long. */

import { deadlineMs, remainingMs } from '../expiry';
import { Reply } from '../reply';
import { Request } from '../request';
import { Entry, clear, find, keyCount, remove, setExpiry } from '../table';
import { notAnInteger } from './strings';

const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

export function del(request: Request, reply: Reply): void {
  let removed: i64 = 0;
  for (let i: u32 = 1; i < request.count; i++) {
    removed += <i64>remove(request.argument(i), request.length(i));
  }
  reply.integer(removed);
}

export function exists(request: Request, reply: Reply): void {
  let found: i64 = 0;
  for (let i: u32 = 1; i < request.count; i++) {
    found += <i64>(find(request.argument(i), request.length(i)) != null);
  }
  reply.integer(found);
}

export function expire(request: Request, reply: Reply): void {
  setDeadline(request, reply, 1000, "ERR invalid expire time in 'expire' command");
}

export function pexpire(request: Request, reply: Reply): void {
  setDeadline(request, reply, 1, "ERR invalid expire time in 'pexpire' command");
}

export function ttl(request: Request, reply: Reply): void {
  const ms = timeToLive(request);
  reply.integer(ms < 0 ? ms : (ms + 500) / 1000);
}

export function pttl(request: Request, reply: Reply): void {
  reply.integer(timeToLive(request));
}

export function persist(request: Request, reply: Reply): void {
  const entry = find(request.argument(1), request.length(1));
  if (entry == null || entry.expiresAtMs == 0) return reply.integer(0);
  setExpiry(entry, 0);
  reply.integer(1);
}

export function dbsize(request: Request, reply: Reply): void {
  reply.integer(keyCount());
}

export function flushall(request: Request, reply: Reply): void {
  const plain = request.count == 1;
  const option = request.count == 2 && (request.is(1, 'SYNC') || request.is(1, 'ASYNC'));
  if (!plain && !option) return reply.error('ERR syntax error');
  clear();
  reply.ok();
}

/** Ms the key of argument 1 has left; -1 if it does not expire, -2 if it is not there. */
function timeToLive(request: Request): i64 {
  const entry = find(request.argument(1), request.length(1));
  if (entry == null) return -2;
  return entry.expiresAtMs == 0 ? -1 : remainingMs(entry.expiresAtMs);
}

function setDeadline(request: Request, reply: Reply, unitMs: i64, tooLarge: string): void {
  if (!request.readInteger(2)) return notAnInteger(reply);
  const value = request.integer;
  const expiresAtMs = deadlineMs(value, unitMs, false);
  if (expiresAtMs == 0) return reply.error(tooLarge);
  const conditions = readConditions(request, reply);
  if (conditions < 0) return;
  const entry = find(request.argument(1), request.length(1));
  if (entry == null || !meets(entry, <u32>conditions, expiresAtMs)) return reply.integer(0);
  if (value <= 0) remove(request.argument(1), request.length(1));
  else setExpiry(entry, expiresAtMs);
  reply.integer(1);
}

/** The conditions after the time; -1 when an error was replied. */
function readConditions(request: Request, reply: Reply): i32 {
  let conditions = 0;
  for (let i: u32 = 3; i < request.count; i++) {
    if (request.is(i, 'NX')) conditions |= NX;
    else if (request.is(i, 'XX')) conditions |= XX;
    else if (request.is(i, 'GT')) conditions |= GT;
    else if (request.is(i, 'LT')) conditions |= LT;
    else {
      reply.error('ERR Unsupported option');
      return -1;
    }
  }
  if ((conditions & NX) != 0 && conditions != NX) {
    reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return -1;
  }
  if ((conditions & (GT | LT)) == (GT | LT)) {
    reply.error('ERR GT and LT options at the same time are not compatible');
    return -1;
  }
  return conditions;
}

/** Whether the conditions let the entry expire at this moment. No deadline counts as the last. */
function meets(entry: Entry, conditions: u32, expiresAtMs: u64): bool {
  const current = entry.expiresAtMs;
  if ((conditions & NX) != 0 && current != 0) return false;
  if ((conditions & XX) != 0 && current == 0) return false;
  if ((conditions & GT) != 0 && (current == 0 || expiresAtMs <= current)) return false;
  return (conditions & LT) == 0 || current == 0 || expiresAtMs < current;
}
