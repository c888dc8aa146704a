/** One connection, which is its worker's alone: lines in, a line for each out. */

import { ByteBuffer, Errno, recv, send } from 'sandpoll/guest';
import { crc32 } from './crc32';
import { Epoll } from './interests';

const BUFFER_BYTES: i32 = 4096;
/** All connections receive here: what is not answered when a call returns is kept as a sum. */
const BUFFER: usize = memory.data(BUFFER_BYTES, 8);

const NEWLINE: u8 = 0x0a;
const ZERO: u8 = 0x30;
const LETTER_A: u8 = 0x61;
/** The most rounds that a line can ask for. */
const ROUNDS_MAX: u32 = 10_000_000;

export class Connection {
  private unsent: ByteBuffer = new ByteBuffer();
  /** How many lines there were. */
  private lines: i64 = 0;
  /** Of the present line: its sum until now, the number at its beginning, and if that goes on. */
  private sum: u32 = 0;
  private rounds: u32 = 0;
  private isNumber: bool = true;
  private hasEnded: bool = false;
  private isBroken: bool = false;

  constructor(
    readonly fd: i32,
    private workerName: string,
  ) {}

  /**
   * What it waits for now; 0: for nothing, it is over. Never both directions: one event disarms
   * both, and whoever arms the wrong one again has lost the connection. Which one it is follows
   * from what there is to do, not from the event.
   */
  get wanted(): i32 {
    if (this.isBroken) return 0;
    if (this.unsent.length != 0) return Epoll.OUT;
    return this.hasEnded ? 0 : Epoll.IN | Epoll.RDHUP;
  }

  /**
   * Does what one event is about, and no more than one buffer of it: what is left is reported
   * again when the connection is armed, behind those of all the others.
   */
  handle(): void {
    if (this.unsent.length != 0) this.flush();
    else this.receive();
  }

  /** Frees what the garbage collector does not. */
  free(): void {
    this.unsent.free();
  }

  private receive(): void {
    const length = recv(this.fd, BUFFER, BUFFER_BYTES);
    if (length == -Errno.AGAIN) return;
    if (length < 0) this.isBroken = true;
    else if (length == 0) this.hasEnded = true;
    else this.work(length);
    this.flush();
  }

  private flush(): void {
    if (this.isBroken || this.unsent.length == 0) return;
    const sent = send(this.fd, this.unsent.at, this.unsent.length);
    if (sent >= 0) this.unsent.consume(sent);
    else if (sent != -Errno.AGAIN) this.isBroken = true;
  }

  private work(length: i32): void {
    for (let at = BUFFER; at < BUFFER + length; at++) {
      const byte = load<u8>(at);
      if (byte == NEWLINE) this.answer();
      else this.add(byte);
    }
  }

  private add(byte: u8): void {
    const digit = <u32>byte - ZERO;
    this.isNumber = this.isNumber && digit < 10;
    if (this.isNumber) this.rounds = min(this.rounds * 10 + digit, ROUNDS_MAX);
    this.sum = crc32(this.sum, byte);
  }

  /** The line is complete: sums its sum as many times as it asks for, and tells the outcome. */
  private answer(): void {
    for (let round: u32 = 0; round < this.rounds; round++) {
      let sum: u32 = 0;
      for (let shift = 0; shift < 32; shift += 8) sum = crc32(sum, <u8>(this.sum >> shift));
      this.sum = sum;
    }
    this.lines += 1;
    this.unsent.appendDecimal(this.lines);
    this.unsent.appendByte(0x20);
    this.appendSum();
    this.unsent.appendAscii(this.workerName);
    this.sum = 0;
    this.rounds = 0;
    this.isNumber = true;
  }

  /** In hexadecimal: eight digits. */
  private appendSum(): void {
    for (let shift = 28; shift >= 0; shift -= 4) {
      const digit = (this.sum >> shift) & 15;
      this.unsent.appendByte(digit < 10 ? ZERO + digit : LETTER_A + digit - 10);
    }
  }
}
