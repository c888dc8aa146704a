/** One WebSocket (RFC 6455) on the server's side, over the connection that asked for it. */

import { ByteBuffer } from '../bytes';
import { NS_PER_S } from '../clock';
import { TcpStream } from '../net/stream';
import {
  CloseCode,
  FrameHead,
  HEAD_BYTES_MAX,
  Opcode,
  isCloseCode,
  unmask,
  writeHead,
} from './frame';
import { Utf8Check } from './utf8';

/** No message is being put together. */
const NO_MESSAGE: i32 = 0;

/** The frame at hand, and what is being written: one at a time is enough for a whole guest. */
const head = new FrameHead();
const output = new ByteBuffer();
const CODE: usize = memory.data(2, 2);

/**
 * A WebSocket. Subclass it, answer in `onText`, and give one for each request that asks in
 * `HttpServer.onWebSocket`:
 *
 *     class Echo extends WebSocket {
 *       onText(data: usize, length: i32): void {
 *         this.sendText(data, length);
 *       }
 *     }
 *
 * Fragments are joined, pings answered, masks and UTF-8 checked; what breaks the protocol closes
 * the connection with the code that says so. A peer that is silent is pinged, and given up if it
 * goes on being silent. While a peer does not read what was sent, nothing is read from it.
 */
export abstract class WebSocket {
  /** The longest message in bytes, fragments together; a longer one closes with 1009. */
  maxMessageBytes: i32 = 1 << 20;
  /** A peer that is silent for this long, once to twice, is pinged; and then given up. */
  idleTimeoutNs: i64 = 30 * NS_PER_S;

  private stream: TcpStream | null = null;
  /** What has arrived of a frame that is not whole. */
  private input: ByteBuffer = new ByteBuffer();
  /** The fragments of a message that is not whole. */
  private message: ByteBuffer = new ByteBuffer();
  private messageOpcode: i32 = NO_MESSAGE;
  private utf8: Utf8Check = new Utf8Check();
  private closeCode: i32 = CloseCode.ABNORMAL;
  private isClosing: bool = false;
  /** How many idle time-outs have passed since the peer was last heard. */
  private silentTimeouts: i32 = 0;

  /** Called once, when messages can be sent. */
  onOpen(): void {}

  /** Called with each text, which is UTF-8; it is valid until this returns. */
  abstract onText(data: usize, length: i32): void;

  /** Called with each binary message; it is valid until this returns. By default closes. */
  onBinary(data: usize, length: i32): void {
    this.close(CloseCode.UNSUPPORTED);
  }

  /** Called once, when it is over: with the peer's code, or 1005, or 1006 (`CloseCode`). */
  onClose(code: i32): void {}

  /** Whether messages can be sent. */
  get isOpen(): bool {
    return this.stream !== null && !this.isClosing;
  }

  /** How many bytes wait because the peer does not read them. */
  get pendingBytes(): i32 {
    const stream = this.stream;
    return stream === null ? 0 : stream.pendingBytes;
  }

  /** Sends `length` bytes of UTF-8 as one text. Returns whether it was open. */
  sendText(data: usize, length: i32): bool {
    return this.isOpen && this.sendFrame(Opcode.TEXT, data, length);
  }

  /** Sends `length` bytes as one binary message. Returns whether it was open. */
  sendBinary(data: usize, length: i32): bool {
    return this.isOpen && this.sendFrame(Opcode.BINARY, data, length);
  }

  /** Closes with a code, and waits for the peer to close as well. */
  close(code: i32 = CloseCode.NORMAL): void {
    const stream = this.stream;
    if (stream === null || this.isClosing) return;
    this.sendClose(code);
    stream.end();
  }

  /** Breaks the connection off, without a word. */
  abort(): void {
    const stream = this.stream;
    if (stream !== null) stream.close();
  }

  /** For the HTTP connection: takes it over. */
  attach(stream: TcpStream): void {
    this.stream = stream;
    stream.loop.arm(stream, this.idleTimeoutNs);
    this.onOpen();
  }

  /** For the HTTP connection: bytes that arrived. */
  receive(data: usize, length: i32): void {
    this.silentTimeouts = 0;
    const input = this.input;
    if (input.length == 0) {
      const used = this.takeFrames(data, length);
      if (used < length && this.isOpen) input.append(data + used, length - used);
      return;
    }
    input.append(data, length);
    const used = this.takeFrames(input.at, input.length);
    // A handler may have broken it off: then the buffer is gone.
    if (this.stream === null) return;
    input.consume(used);
    if (input.length == 0 || this.isClosing) input.dispose();
  }

  /** For the HTTP connection: nothing has arrived for as long as was armed. */
  expire(): void {
    const stream = this.stream;
    if (stream === null) return;
    if (this.isClosing || this.silentTimeouts == 2) return stream.close();
    if (this.silentTimeouts == 1) this.sendFrame(Opcode.PING, 0, 0);
    this.silentTimeouts += 1;
    stream.loop.arm(stream, this.idleTimeoutNs);
  }

  /** For the HTTP connection: it is closed. */
  detach(): void {
    const wasAttached = this.stream !== null;
    this.stream = null;
    this.isClosing = true;
    this.input.free();
    this.message.free();
    if (wasAttached) this.onClose(this.closeCode);
  }

  /** Takes the frames that are whole; returns how many bytes they were. */
  private takeFrames(data: usize, length: i32): i32 {
    let at = 0;
    while (at < length && !this.isClosing) {
      const size = head.read(data + at, length - at);
      if (size < 0) {
        this.fail(CloseCode.PROTOCOL_ERROR);
        break;
      }
      if (size == 0 || !this.admits()) break;
      const payload = <i32>head.payloadBytes;
      if (length - at - size < payload) break;
      unmask(data + at + size, payload, head.mask);
      if (head.isControl) this.takeControl(data + at + size, payload);
      else this.takeData(data + at + size, payload);
      at += size + payload;
    }
    return at;
  }

  /** Whether the frame whose head was read may come now, and is not too long; else fails. */
  private admits(): bool {
    if (head.isControl) return true;
    const isFirst = head.opcode != Opcode.CONTINUATION;
    if (isFirst != (this.messageOpcode == NO_MESSAGE)) {
      this.fail(CloseCode.PROTOCOL_ERROR);
      return false;
    }
    if (<u64>head.payloadBytes <= <u64>(this.maxMessageBytes - this.message.length)) return true;
    this.fail(CloseCode.TOO_BIG);
    return false;
  }

  private takeData(payload: usize, length: i32): void {
    if (head.opcode != Opcode.CONTINUATION) this.messageOpcode = head.opcode;
    const isText = this.messageOpcode == Opcode.TEXT;
    const isFinal = head.isFinal;
    if (isText) {
      const isUtf8 = this.utf8.accept(payload, length) && (!isFinal || this.utf8.isComplete);
      if (!isUtf8) return this.fail(CloseCode.NOT_UTF8);
    }
    const message = this.message;
    const isWhole = isFinal && message.length == 0;
    if (!isWhole) message.append(payload, length);
    if (!isFinal) return;
    this.messageOpcode = NO_MESSAGE;
    this.utf8.reset();
    if (isWhole) return this.deliver(isText, payload, length);
    this.deliver(isText, message.at, message.length);
    if (this.stream !== null) message.dispose();
  }

  private deliver(isText: bool, data: usize, length: i32): void {
    if (isText) this.onText(data, length);
    else this.onBinary(data, length);
  }

  private takeControl(payload: usize, length: i32): void {
    if (head.opcode == Opcode.PING) this.sendFrame(Opcode.PONG, payload, length);
    if (head.opcode == Opcode.CLOSE) this.takeClose(payload, length);
  }

  private takeClose(payload: usize, length: i32): void {
    if (length == 1) return this.fail(CloseCode.PROTOCOL_ERROR);
    let code = CloseCode.NONE;
    if (length >= 2) {
      code = bswap(load<u16>(payload));
      if (!isCloseCode(code)) return this.fail(CloseCode.PROTOCOL_ERROR);
      this.utf8.reset();
      const isUtf8 = this.utf8.accept(payload + 2, length - 2) && this.utf8.isComplete;
      if (!isUtf8) return this.fail(CloseCode.NOT_UTF8);
    }
    this.closeCode = code;
    this.close(code);
  }

  private fail(code: i32): void {
    this.closeCode = code;
    this.close(code);
  }

  private sendClose(code: i32): void {
    this.isClosing = true;
    store<u16>(CODE, bswap(<u16>code));
    this.sendFrame(Opcode.CLOSE, CODE, code == CloseCode.NONE ? 0 : 2);
  }

  private sendFrame(opcode: i32, data: usize, length: i32): bool {
    const stream = this.stream;
    if (stream === null || stream.isEnding) return false;
    const frame = output.reserve(HEAD_BYTES_MAX + length);
    const size = writeHead(frame, opcode, length);
    memory.copy(frame + size, data, length);
    return stream.write(frame, size + length) >= 0;
  }
}
