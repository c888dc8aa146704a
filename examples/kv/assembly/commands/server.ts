/** Commands about the server and the connection: what clients ask before they begin. */

import { arenaAllocatedBytes, arenaSize } from '../arena';
import { Reply } from '../reply';
import { Request } from '../request';
import { bulkBytesMax, clientsMax } from '../settings';
import { clients, commandsProcessed, connectionsReceived } from '../stats';
import { expiringCount, keyCount } from '../table';

/** The Redis whose commands these are. */
const REDIS_VERSION = '7.0.0';
const SERVER_NAME = 'sandpoll-kv';

const CONFIG_NAMES: StaticArray<string> = [
  'maxmemory',
  'maxclients',
  'proto-max-bulk-len',
  'save',
  'appendonly',
  'databases',
];

export function ping(request: Request, reply: Reply): void {
  if (request.count > 2) return wrongCount(reply, 'ping');
  if (request.count == 1) reply.simple('PONG');
  else reply.bulk(request.argument(1), request.length(1));
}

export function echo(request: Request, reply: Reply): void {
  reply.bulk(request.argument(1), request.length(1));
}

export function select(request: Request, reply: Reply): void {
  if (!request.readInteger(1)) return reply.error('ERR value is not an integer or out of range');
  if (request.integer != 0) return reply.error('ERR DB index is out of range');
  reply.ok();
}

export function quit(request: Request, reply: Reply): void {
  reply.ok();
  reply.closing = true;
}

/** What a web page can make a browser send here: it ends the connection unanswered. */
export function crossProtocol(request: Request, reply: Reply): void {
  reply.closing = true;
}

/** Only the names of clients and libraries are heard, and forgotten. */
export function client(request: Request, reply: Reply): void {
  if (request.is(1, 'SETNAME') && request.count == 3) return reply.ok();
  if (request.is(1, 'SETINFO') && request.count == 4) return reply.ok();
  unknownSubcommand(request, reply, 'CLIENT');
}

/** Clients that ask for RESP3 get `NOPROTO`, and go on in RESP2. */
export function hello(request: Request, reply: Reply): void {
  if (request.count > 1) {
    const valid = request.readInteger(1);
    if (!valid) return reply.error('ERR Protocol version is not an integer or out of range');
    if (request.integer != 2) return reply.error('NOPROTO unsupported protocol version');
  }
  const named = request.count == 4 && request.is(2, 'SETNAME');
  if (request.count > 2 && !named) return reply.error('ERR Syntax error in HELLO option');
  reply.array(12);
  replyPair(reply, 'server', SERVER_NAME);
  replyPair(reply, 'version', REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(2);
  replyPair(reply, 'mode', 'standalone');
  replyPair(reply, 'role', 'master');
  reply.bulkText('modules');
  reply.array(0);
}

export function config(request: Request, reply: Reply): void {
  if (request.is(1, 'RESETSTAT')) return reply.ok();
  if (!request.is(1, 'GET') || request.count < 3) {
    return unknownSubcommand(request, reply, 'CONFIG');
  }
  let matches: u32 = 0;
  for (let k = 0; k < CONFIG_NAMES.length; k++) {
    matches += <u32>isAskedFor(request, CONFIG_NAMES[k]);
  }
  reply.array(2 * matches);
  for (let k = 0; k < CONFIG_NAMES.length; k++) {
    const name = CONFIG_NAMES[k];
    if (isAskedFor(request, name)) replyPair(reply, name, settingOf(name));
  }
}

export function info(request: Request, reply: Reply): void {
  let text = '';
  if (wants(request, 'server')) {
    text += '# Server\r\nredis_version:' + REDIS_VERSION + '\r\nserver_name:' + SERVER_NAME;
    text += '\r\nredis_mode:standalone\r\narch_bits:32\r\n\r\n';
  }
  if (wants(request, 'clients')) {
    text += '# Clients\r\nconnected_clients:' + clients.toString();
    text += '\r\nmaxclients:' + clientsMax.toString() + '\r\n\r\n';
  }
  if (wants(request, 'memory')) {
    text += '# Memory\r\nused_memory:' + arenaAllocatedBytes().toString();
    text += '\r\nmaxmemory:' + arenaSize().toString();
    text += '\r\nmaxmemory_policy:noeviction\r\n\r\n';
  }
  if (wants(request, 'stats')) {
    text += '# Stats\r\ntotal_connections_received:' + connectionsReceived.toString();
    text += '\r\ntotal_commands_processed:' + commandsProcessed.toString() + '\r\n\r\n';
  }
  if (wants(request, 'keyspace')) {
    text += '# Keyspace\r\n';
    if (keyCount() != 0) {
      text += 'db0:keys=' + keyCount().toString();
      text += ',expires=' + expiringCount().toString() + ',avg_ttl=0\r\n';
    }
  }
  reply.bulkText(text);
}

export function wrongCount(reply: Reply, name: string): void {
  reply.errorStart("ERR wrong number of arguments for '");
  reply.text(name);
  reply.text("' command");
  reply.endLine();
}

export function unknownSubcommand(request: Request, reply: Reply, name: string): void {
  reply.errorStart("ERR unknown subcommand or wrong number of arguments for '");
  reply.quote(request.argument(1), request.length(1));
  reply.text("'. Try ");
  reply.text(name);
  reply.text(' HELP.');
  reply.endLine();
}

function replyPair(reply: Reply, name: string, value: string): void {
  reply.bulkText(name);
  reply.bulkText(value);
}

/** Whether INFO was asked for this section, or for all. */
function wants(request: Request, section: string): bool {
  if (request.count == 1) return true;
  for (let i: u32 = 1; i < request.count; i++) {
    if (request.equals(i, section) || request.equals(i, 'all')) return true;
    if (request.equals(i, 'everything') || request.equals(i, 'default')) return true;
  }
  return false;
}

/** Whether CONFIG GET was asked for this name, or for all. */
function isAskedFor(request: Request, name: string): bool {
  for (let i: u32 = 2; i < request.count; i++) {
    if (request.equals(i, name) || request.equals(i, '*')) return true;
  }
  return false;
}

function settingOf(name: string): string {
  if (name == 'maxmemory') return arenaSize().toString();
  if (name == 'maxclients') return clientsMax.toString();
  if (name == 'proto-max-bulk-len') return bulkBytesMax.toString();
  if (name == 'databases') return '1';
  return name == 'appendonly' ? 'no' : '';
}
