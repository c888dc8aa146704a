/** Commands that read and write values. */

import { writeDecimal } from 'sandpoll/guest';
import { deadlineMs } from '../expiry';
import { Reply } from '../reply';
import { Request } from '../request';
import { Entry, find, put } from '../table';

const NX = 1;
const XX = 2;
const GET = 4;
const KEEPTTL = 8;
/** EX, PX, EXAT or PXAT: a time was given. */
const TIME = 16;

const digits: usize = memory.data(24, 8);

export function get(request: Request, reply: Reply): void {
  replyValue(find(request.argument(1), request.length(1)), reply);
}

export function mget(request: Request, reply: Reply): void {
  reply.array(request.count - 1);
  for (let i: u32 = 1; i < request.count && reply.fits; i++) {
    replyValue(find(request.argument(i), request.length(i)), reply);
  }
}

export function set(request: Request, reply: Reply): void {
  if (request.count > 3) setWithOptions(request, reply);
  else if (putArguments(request, 1, 0)) reply.ok();
  else reply.outOfMemory();
}

/** Sets keys in order; those before one for which memory is short stay set. */
export function mset(request: Request, reply: Reply): void {
  if ((request.count & 1) == 0) {
    return reply.error("ERR wrong number of arguments for 'mset' command");
  }
  for (let i: u32 = 1; i < request.count; i += 2) {
    if (!putArguments(request, i, 0)) return reply.outOfMemory();
  }
  reply.ok();
}

export function incr(request: Request, reply: Reply): void {
  add(request, reply, 1);
}

export function decr(request: Request, reply: Reply): void {
  add(request, reply, -1);
}

export function incrby(request: Request, reply: Reply): void {
  if (!request.readInteger(2)) return notAnInteger(reply);
  add(request, reply, request.integer);
}

export function decrby(request: Request, reply: Reply): void {
  if (!request.readInteger(2)) return notAnInteger(reply);
  if (request.integer == i64.MIN_VALUE) return reply.error('ERR decrement would overflow');
  add(request, reply, -request.integer);
}

function replyValue(entry: Entry | null, reply: Reply): void {
  if (entry == null) reply.nil();
  else reply.bulk(entry.value, entry.valueLength);
}

export function notAnInteger(reply: Reply): void {
  reply.error('ERR value is not an integer or out of range');
}

/** Stores argument `i + 1` under argument `i`. */
function putArguments(request: Request, i: u32, expiresAtMs: u64): bool {
  return put(
    request.argument(i),
    request.length(i),
    request.argument(i + 1),
    request.length(i + 1),
    expiresAtMs,
  );
}

/** The flag of option `i` of SET; 0 is none. */
function optionOf(request: Request, i: u32): u32 {
  if (request.is(i, 'NX')) return NX;
  if (request.is(i, 'XX')) return XX;
  if (request.is(i, 'GET')) return GET;
  if (request.is(i, 'KEEPTTL')) return KEEPTTL;
  return unitOf(request, i) != 0 ? TIME : 0;
}

/** Ms in the unit of time option `i` of SET; 0 if it is none. */
function unitOf(request: Request, i: u32): i64 {
  if (request.is(i, 'EX') || request.is(i, 'EXAT')) return 1000;
  return request.is(i, 'PX') || request.is(i, 'PXAT') ? 1 : 0;
}

/** Options that do not go with this one. */
function conflicts(option: u32): u32 {
  if (option == NX) return XX;
  if (option == XX) return NX;
  return option == GET ? 0 : KEEPTTL | TIME;
}

function setWithOptions(request: Request, reply: Reply): void {
  let options: u32 = 0;
  let expiresAtMs: u64 = 0;
  for (let i: u32 = 3; i < request.count; i++) {
    const option = optionOf(request, i);
    if (option == 0 || (options & conflicts(option)) != 0) return reply.error('ERR syntax error');
    options |= option;
    if (option != TIME) continue;
    if (i + 1 == request.count) return reply.error('ERR syntax error');
    if (!request.readInteger(i + 1)) return notAnInteger(reply);
    const absolute = request.length(i) == 4;
    if (request.integer > 0) {
      expiresAtMs = deadlineMs(request.integer, unitOf(request, i), absolute);
    }
    if (expiresAtMs == 0) return reply.error("ERR invalid expire time in 'set' command");
    i++;
  }
  setIf(request, reply, options, expiresAtMs);
}

/** Sets the key if NX and XX allow it. With GET the reply is the old value, else OK or nil. */
function setIf(request: Request, reply: Reply, options: u32, expiresAtMs: u64): void {
  const old = find(request.argument(1), request.length(1));
  const allowed = (options & (old == null ? XX : NX)) == 0;
  if ((options & KEEPTTL) != 0 && old != null) expiresAtMs = old.expiresAtMs;
  if ((options & GET) != 0) replyValue(old, reply);
  else if (!allowed) reply.nil();
  // An old value too large to reply with is not overwritten either.
  if (!allowed || !reply.fits) return;
  if (!putArguments(request, 1, expiresAtMs)) return reply.restart().outOfMemory();
  if ((options & GET) == 0) reply.ok();
}

/** Adds to the number under a key, which keeps its time to live. */
function add(request: Request, reply: Reply, by: i64): void {
  const key = request.argument(1);
  const keyLength = request.length(1);
  const entry = find(key, keyLength);
  let value: i64 = 0;
  if (entry != null) {
    if (!request.parseInteger(entry.value, entry.valueLength)) return notAnInteger(reply);
    value = request.integer;
  }
  const sum = value + by;
  if (sum < value != by < 0) return reply.error('ERR increment or decrement would overflow');
  const length = writeDecimal(digits, sum);
  const expiresAtMs = entry == null ? 0 : entry.expiresAtMs;
  if (put(key, keyLength, digits, length, expiresAtMs)) reply.integer(sum);
  else reply.outOfMemory();
}
