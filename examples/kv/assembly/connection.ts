/** A client: its bytes in, its replies out. */

import {
  Errno,
  EventLoop,
  Events,
  Handler,
  NS_PER_S,
  RECEIVE_BYTES,
  Shutdown,
  recv,
  send,
  shutdown,
} from 'sandpoll/guest';
import { allocateSpare, capacityOf, reallocate, release } from './arena';
import { clockTick } from './clock';
import { execute } from './commands/index';
import { Reply } from './reply';
import { Parsed, Request } from './request';
import { countConnection, countDisconnection } from './stats';
import { Sweeper } from './sweeper';

/** Up to this many kept bytes are put before the next ones in the loop's receive buffer. */
const JOINED_BYTES_MAX: u32 = 4096;
/** A buffer of one connection grows by at least this many bytes. */
const GROW_BYTES: u32 = 16384;
/** How long a client may go on sending after we have ended the connection. */
const LINGER_NS: i64 = 2 * NS_PER_S;

/**
 * A connection. It is no `TcpStream`, because that keeps what it could not send on AssemblyScript's
 * heap: here every buffer lies in the arena, so that running out of memory has an answer.
 *
 * Commands are parsed where they were received, and their replies are sent together. While some
 * of them wait for the client to read, nothing more is executed or received.
 */
export class Connection extends Handler {
  private readonly request: Request = new Request();
  /** Bytes received and not yet executed: a block of the arena, or 0. */
  private input: usize = 0;
  private inputLength: u32 = 0;
  /** Replies not yet sent: a block of the arena, or 0, and what is left in it. */
  private output: usize = 0;
  private outputFrom: u32 = 0;
  private outputLength: u32 = 0;
  /** No more commands are executed. */
  private ending: bool = false;
  /** It ends once all that has arrived is executed, and the replies are sent. */
  private draining: bool = false;
  /** We have ended our side, and wait for the client's end. */
  private lingering: bool = false;

  /** Takes over a connected, non-blocking descriptor. */
  constructor(
    loop: EventLoop,
    fd: i32,
    private readonly reply: Reply,
    private readonly sweeper: Sweeper,
  ) {
    super(loop);
    this.fd = fd;
    countConnection();
    this.waitFor(Events.IN);
  }

  onEvents(events: i32): void {
    clockTick();
    if (this.output != 0) this.flush();
    else if (this.lingering) this.receiveNothing();
    else this.receive();
    this.sweeper.wake();
  }

  /** Ends as soon as the commands that have arrived are answered. */
  drain(): void {
    this.draining = true;
    this.onEvents(Events.IN);
    if (this.fd >= 0 && this.output == 0 && !this.lingering) this.linger();
  }

  /** The time to linger is up. */
  onTimeout(): void {
    this.close();
  }

  private close(): void {
    if (this.fd < 0) return;
    this.ending = true;
    this.loop.close(this);
    this.request.destroy();
    this.keepNothing();
    release(this.output);
    this.output = 0;
    countDisconnection();
  }

  private waitFor(events: i32): void {
    if (this.loop.watch(this, events) < 0) this.close();
  }

  private receive(): void {
    let into = this.loop.receiveBuffer;
    let room: u32 = RECEIVE_BYTES;
    if (this.inputLength > JOINED_BYTES_MAX) {
      if (!this.makeRoom()) {
        // Without memory to keep the command, its bytes can only be counted.
        if (!this.request.canDiscard) return this.close();
        this.request.discard();
        return this.execute(this.input, this.inputLength);
      }
      into = this.input;
      room = capacityOf(into);
    } else if (this.inputLength != 0) {
      memory.copy(into, this.input, this.inputLength);
    }
    const received = recv(this.fd, into + this.inputLength, room - this.inputLength);
    if (received == -Errno.AGAIN) return;
    if (received <= 0) this.close();
    else this.execute(into, this.inputLength + received);
  }

  /** Executes the commands in these bytes, sends their replies, and keeps the rest. */
  private execute(bytes: usize, length: u32): void {
    const request = this.request;
    const end = bytes + length;
    let at = bytes;
    while (at != end && this.output == 0 && !this.ending) {
      const found = request.parse(at, <u32>(end - at));
      if (found == Parsed.Incomplete) {
        at += request.drop();
        break;
      }
      this.answer(found);
      at += request.at;
      request.reset();
      if (this.reply.isFull) this.sendReplies();
    }
    this.sendReplies();
    if (this.fd < 0) return;
    if (this.ending) at = end;
    if (!this.keep(at, <u32>(end - at))) this.close();
    else if (this.output != 0) this.waitFor(Events.OUT);
    else if (this.ending || this.draining) this.linger();
    else this.waitFor(Events.IN);
  }

  /** Writes the reply to what the parser found. */
  private answer(found: Parsed): void {
    const reply = this.reply;
    if (found == Parsed.Complete) {
      execute(this.request, reply);
      if (reply.closing) this.ending = true;
    } else if (found == Parsed.Discarded) {
      reply.outOfMemory();
    } else {
      reply.errorStart('ERR Protocol error: ');
      reply.text(this.request.protocolError);
      reply.endLine();
      this.ending = true;
    }
  }

  /** Sends the replies at once; what the kernel does not take waits in a block of our own. */
  private sendReplies(): void {
    const reply = this.reply;
    if (reply.length != 0 && this.fd >= 0) {
      let sent = send(this.fd, reply.bytes, reply.length);
      if (sent == -Errno.AGAIN) sent = 0;
      if (sent < 0 || !this.keepReplies(<u32>sent)) this.close();
    }
    reply.clear();
  }

  /** Keeps the replies after the first `sent` bytes; false when memory is short. */
  private keepReplies(sent: u32): bool {
    const reply = this.reply;
    const left = reply.length - sent;
    if (left == 0) return true;
    this.outputFrom = 0;
    this.outputLength = left;
    this.output = reply.detachLarge();
    if (this.output != 0) {
      this.outputFrom = sent;
      return true;
    }
    this.output = allocateSpare(left);
    if (this.output != 0) memory.copy(this.output, reply.bytes + sent, left);
    return this.output != 0;
  }

  /** Sends more of what waits; when all is sent, goes on with the commands that waited too. */
  private flush(): void {
    const sent = send(this.fd, this.output + this.outputFrom, this.outputLength);
    if (sent == -Errno.AGAIN) return;
    if (sent < 0) return this.close();
    this.outputFrom += sent;
    this.outputLength -= sent;
    if (this.outputLength != 0) return;
    release(this.output);
    this.output = 0;
    this.execute(this.input, this.inputLength);
  }

  /** Keeps bytes for later, be they in the receive buffer or in `input`; false without memory. */
  private keep(at: usize, length: u32): bool {
    if (length == 0) {
      this.keepNothing();
      return true;
    }
    const isThere = at - this.input < this.inputLength;
    const capacity: u32 = this.input == 0 ? 0 : capacityOf(this.input);
    let block = this.input;
    if (capacity < length || capacity > 2 * (length + GROW_BYTES)) block = allocateSpare(length);
    if (block == 0 && !isThere) return false;
    if (block == 0) block = this.input;
    memory.copy(block, at, length);
    if (block != this.input) release(this.input);
    this.input = block;
    this.inputLength = length;
    return true;
  }

  private keepNothing(): void {
    release(this.input);
    this.input = 0;
    this.inputLength = 0;
  }

  /**
   * Makes room behind the kept bytes, at most for as many again: a length that is only declared
   * takes no memory.
   */
  private makeRoom(): bool {
    const room = capacityOf(this.input) - this.inputLength;
    const missing = this.request.missing(this.inputLength);
    if (room >= min(missing, GROW_BYTES)) return true;
    const wanted = max(min(missing, this.inputLength), GROW_BYTES);
    const moved = reallocate(this.input, this.inputLength + wanted);
    if (moved == 0) return room != 0;
    this.input = moved;
    return true;
  }

  /** Ends our side, and waits for the client's end: to close at once could lose the last reply. */
  private linger(): void {
    this.lingering = true;
    if (shutdown(this.fd, Shutdown.WR) < 0) return this.close();
    this.loop.arm(this, LINGER_NS);
    this.waitFor(Events.IN);
  }

  private receiveNothing(): void {
    const received = recv(this.fd, this.loop.receiveBuffer, RECEIVE_BYTES);
    if (received <= 0 && received != -Errno.AGAIN) this.close();
  }
}
