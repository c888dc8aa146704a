/** The commands there are, and which of them a request means. */

import { Reply } from '../reply';
import { Request, packWord } from '../request';
import { countCommand } from '../stats';
import { dbsize, del, exists, expire, flushall, persist, pexpire, pttl, ttl } from './keys';
import { client, config, crossProtocol, echo, hello, info, ping } from './server';
import { quit, select, unknownSubcommand, wrongCount } from './server';
import { decr, decrby, get, incr, incrby, mget, mset, set } from './strings';

type Handler = (request: Request, reply: Reply) => void;

class Command {
  readonly word: u64;

  /**
   * `arity` counts the name; negative is a minimum. `firstKey`, `lastKey` (-1: the last argument)
   * and `keyStep` tell where the keys are.
   */
  constructor(
    readonly name: string,
    readonly arity: i32,
    readonly firstKey: i32,
    readonly lastKey: i32,
    readonly keyStep: i32,
    readonly run: Handler,
  ) {
    this.word = packWord(name.toUpperCase());
  }
}

/** The commands, the most frequent first. Filled below, because COMMAND itself reads it. */
let commands: StaticArray<Command> = new StaticArray<Command>(0);
/** Of the commands, those at the end that only guard, and are not shown. */
const GUARDS = 2;

commands = [
  new Command('get', 2, 1, 1, 1, get),
  new Command('set', -3, 1, 1, 1, set),
  new Command('incr', 2, 1, 1, 1, incr),
  new Command('mget', -2, 1, -1, 1, mget),
  new Command('mset', -3, 1, -1, 2, mset),
  new Command('ping', -1, 0, 0, 0, ping),
  new Command('del', -2, 1, -1, 1, del),
  new Command('exists', -2, 1, -1, 1, exists),
  new Command('expire', -3, 1, 1, 1, expire),
  new Command('ttl', 2, 1, 1, 1, ttl),
  new Command('pexpire', -3, 1, 1, 1, pexpire),
  new Command('pttl', 2, 1, 1, 1, pttl),
  new Command('persist', 2, 1, 1, 1, persist),
  new Command('decr', 2, 1, 1, 1, decr),
  new Command('incrby', 3, 1, 1, 1, incrby),
  new Command('decrby', 3, 1, 1, 1, decrby),
  new Command('echo', 2, 0, 0, 0, echo),
  new Command('dbsize', 1, 0, 0, 0, dbsize),
  new Command('flushall', -1, 0, 0, 0, flushall),
  new Command('select', 2, 0, 0, 0, select),
  new Command('command', -1, 0, 0, 0, command),
  new Command('config', -2, 0, 0, 0, config),
  new Command('info', -1, 0, 0, 0, info),
  new Command('client', -2, 0, 0, 0, client),
  new Command('hello', -1, 0, 0, 0, hello),
  new Command('quit', -1, 0, 0, 0, quit),
  new Command('post', -1, 0, 0, 0, crossProtocol),
  new Command('host:', -1, 0, 0, 0, crossProtocol),
];

/** Executes a complete request, and writes its reply. A request of no arguments has none. */
export function execute(request: Request, reply: Reply): void {
  if (request.count == 0) return;
  countCommand();
  reply.begin();
  const found = findCommand(request.word(0));
  if (found == null) {
    unknownCommand(request, reply);
  } else if (!accepts(found.arity, request.count)) {
    wrongCount(reply, found.name);
  } else {
    found.run(request, reply);
  }
  reply.end();
}

function findCommand(word: u64): Command | null {
  for (let i = 0; i < commands.length; i++) {
    const candidate = unchecked(commands[i]);
    if (candidate.word == word) return candidate;
  }
  return null;
}

function accepts(arity: i32, count: u32): bool {
  return arity < 0 ? <i32>count >= -arity : <i32>count == arity;
}

function unknownCommand(request: Request, reply: Reply): void {
  reply.errorStart("ERR unknown command '");
  reply.quote(request.argument(0), request.length(0));
  reply.text("', with args beginning with: ");
  for (let i: u32 = 1; i < min<u32>(request.count, 4); i++) {
    reply.text("'");
    reply.quote(request.argument(i), request.length(i));
    reply.text("' ");
  }
  reply.endLine();
}

/** COMMAND, COMMAND COUNT, and COMMAND DOCS without a word on any of them. */
function command(request: Request, reply: Reply): void {
  if (request.count == 1) return replyCommands(reply);
  if (request.is(1, 'COUNT') && request.count == 2) {
    return reply.integer(commands.length - GUARDS);
  }
  if (request.is(1, 'DOCS')) return reply.array(0);
  unknownSubcommand(request, reply, 'COMMAND');
}

function replyCommands(reply: Reply): void {
  const shownCount = commands.length - GUARDS;
  reply.array(shownCount);
  for (let i = 0; i < shownCount; i++) {
    const shown = commands[i];
    reply.array(6);
    reply.bulkText(shown.name);
    reply.integer(shown.arity);
    reply.array(0);
    reply.integer(shown.firstKey);
    reply.integer(shown.lastKey);
    reply.integer(shown.keyStep);
  }
}
