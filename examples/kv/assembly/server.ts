/** The key-value server, whichever poller it waits with. */

import {
  EventLoop,
  Poller,
  TcpListener,
  args,
  exit,
  listenerFd,
  printError,
  send,
  writeAscii,
} from 'sandpoll/guest';
import { fd_close, random_get } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { arenaInitialize } from './arena';
import { Connection } from './connection';
import { Reply } from './reply';
import { clientsMax, maxMemoryBytes, setSetting } from './settings';
import { sipHashSeed } from './siphash';
import { clients } from './stats';
import { Sweeper } from './sweeper';
import { tableInitialize } from './table';

const USAGE =
  'usage: sandpoll run --listen ADDR kv.wasm ' +
  '[--maxmemory 256mb] [--maxclients 1000] [--proto-max-bulk-len 16mb]\n';
const WRONG_USAGE = 2;
const OUT_OF_MEMORY = 1;

/** What the objects of a connection take of AssemblyScript's heap, dead ones included. */
const RUNTIME_BYTES_PER_CLIENT: u32 = 1024;
const RUNTIME_BYTES: u32 = 1 << 20;

const scratch: usize = memory.data(64, 8);

export class Server extends TcpListener {
  private readonly reply: Reply;
  private readonly sweeper: Sweeper;

  constructor(loop: EventLoop, fd: i32, reply: Reply) {
    super(loop, fd);
    this.reply = reply;
    this.sweeper = new Sweeper(loop);
  }

  onAccept(fd: i32): void {
    if (clients < clientsMax) {
      new Connection(this.loop, fd, this.reply, this.sweeper);
      return;
    }
    const length = writeAscii(scratch, '-ERR max number of clients reached\r\n');
    send(fd, scratch, length);
    fd_close(fd);
  }

  /**
   * Ends it in peace: accepts those who have just connected, then nobody, and ends each connection
   * once the commands that have arrived are answered.
   */
  drain(): void {
    this.acceptAll();
    this.close();
    this.sweeper.retire();
    for (let slot = 0; slot < this.loop.slotCount; slot++) {
      const handler = this.loop.handlerAt(slot);
      if (handler instanceof Connection) (handler as Connection).drain();
    }
  }
}

/** A server of the first listener that the host has opened; without one, the guest ends. */
export function openServer(poller: Poller): Server {
  if (!readArguments()) fail(USAGE, WRONG_USAGE);
  const fd = listenerFd();
  if (fd < 0) fail('kv: nothing to listen on: run it with --listen ADDR\n', WRONG_USAGE);
  const runtimeBytes = RUNTIME_BYTES + clientsMax * RUNTIME_BYTES_PER_CLIENT;
  const reply = new Reply();
  if (!arenaInitialize(maxMemoryBytes, runtimeBytes) || !reply.initialize() || !tableInitialize()) {
    fail('kv: not enough memory to begin with\n', OUT_OF_MEMORY);
  }
  random_get(scratch, 16);
  sipHashSeed(load<u64>(scratch), load<u64>(scratch, 8));
  return new Server(new EventLoop(poller), fd, reply);
}

/** Reads `--name value` pairs; false if one of them is not understood. */
function readArguments(): bool {
  const texts = args();
  if ((texts.length & 1) == 0) return texts.length == 0;
  for (let i = 1; i < texts.length; i += 2) {
    if (!texts[i].startsWith('--')) return false;
    if (!setSetting(texts[i].substring(2), texts[i + 1])) return false;
  }
  return true;
}

function fail(message: string, status: i32): void {
  printError(message);
  exit(status);
}
