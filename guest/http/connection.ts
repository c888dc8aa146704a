/** One connection of an HTTP server. */

import { ByteBuffer } from '../bytes';
import { NS_PER_S } from '../clock';
import { RECEIVE_BYTES } from '../loop';
import { TcpStream } from '../net/stream';
import { Events } from '../poller/poller';
import { acceptKey, asksForWebSocket, handshakeStatus } from '../websocket/handshake';
import { CloseCode } from '../websocket/frame';
import { WebSocket } from '../websocket/socket';
import { HttpBody } from './body';
import { ChunkDecoder } from './chunked';
import { MAX_HEAD_BYTES, hasLineEnd, parseHead } from './parser';
import { HttpRequest } from './request';
import { Connection, connectionAfter, reasonOf } from './response';
import { HttpServer } from './server';

/** Answers leave when there are this many bytes of them, even if more requests are at hand. */
const OUTPUT_BYTES: i32 = 65536;

/**
 * How long a server that drains waits for the first request of those who have just connected: it
 * may be on its way, and nobody would know that it was not answered.
 */
const FIRST_REQUEST_NS: i64 = NS_PER_S;

const CR: u8 = 0x0d;
const LF: u8 = 0x0a;

/** What the connection waits for. */
const enum Phase {
  /** The first byte of a request. */
  IDLE,
  /** The rest of a head. */
  HEAD,
  /** The rest of a body of known length. */
  BODY,
  /** The rest of a body in chunks. */
  CHUNKS,
  /** The peer, to take the body of an answer. */
  ANSWER,
}

/**
 * A request that has arrived whole is parsed and answered where it was received, and nothing is
 * allocated. What is not whole is kept in a buffer of the connection's own until it is.
 */
export class HttpConnection extends TcpStream {
  private server: HttpServer;
  /** What has arrived of the next request: of one in chunks, the head and the joined body. */
  private input: ByteBuffer = new ByteBuffer();
  private decoder: ChunkDecoder | null = null;
  /** The WebSocket that it has become, if it has. */
  private socket: WebSocket | null = null;
  private phase: i32 = Phase.IDLE;
  /** In ANSWER, what is being sent, and whether nothing is answered after it. */
  private body: HttpBody | null = null;
  private isLast: bool = false;
  /** In CHUNKS, the length of the head; in BODY, that of head and body. */
  private expectedBytes: i32 = 0;
  /** Whether something has arrived since the idle timer was armed. */
  private isActive: bool = false;
  /** Whether nothing has ever arrived. */
  private isFresh: bool = true;
  /** What was pending when the idle timer was armed. */
  private wasPending: i32 = 0;

  constructor(server: HttpServer, fd: i32) {
    super(server.loop, fd);
    this.server = server;
    if (fd >= 0) this.loop.arm(this, server.idleTimeoutNs);
  }

  onData(data: usize, length: i32): void {
    const socket = this.socket;
    if (socket !== null) return socket.receive(data, length);
    this.isActive = true;
    this.isFresh = false;
    this.server.date.refresh();
    if (this.input.length == 0) {
      const used = this.answerAll(data, length);
      if (used < length && this.accepts()) this.keep(data + used, length - used);
    } else {
      this.append(data, length);
    }
    this.sendOutput();
    if (this.socket !== null) this.becomeSocket();
  }

  /** The answers that did not fit are on their way: go on with the requests behind them. */
  onDrain(): void {
    if (this.phase != Phase.IDLE || this.socket !== null) return;
    this.server.date.refresh();
    this.answerInput();
    this.sendOutput();
    if (this.socket !== null) this.becomeSocket();
  }

  /** The peer takes more of the body. */
  onWritable(): void {
    const body = this.body;
    if (body === null) return;
    const buffer = this.loop.receiveBuffer;
    const length = body.read(buffer, <i32>min<i64>(RECEIVE_BYTES, body.left));
    // It is shorter than its head has said: nothing else would tell the peer.
    if (length <= 0) return this.reset();
    this.isActive = true;
    body.left -= length;
    if (this.write(buffer, length) < 0) return;
    if (body.left == 0) this.finishBody();
    else this.whenWritable();
  }

  onTimer(): void {
    const socket = this.socket;
    if (socket !== null) return socket.expire();
    if (this.isEnding || this.phase == Phase.IDLE || this.phase == Phase.ANSWER) {
      const pending = this.pendingBytes;
      if (!this.isActive && pending == this.wasPending) return this.close();
      this.isActive = false;
      this.wasPending = pending;
      this.loop.arm(this, this.server.idleTimeoutNs);
      return;
    }
    this.server.date.refresh();
    this.refuse(408);
  }

  /** Ends, if it is this server's, as soon as it has no request under way. */
  drain(server: HttpServer): void {
    if (server !== this.server) return;
    const socket = this.socket;
    if (socket !== null) return socket.close(CloseCode.GOING_AWAY);
    // A request may have arrived that nobody has looked at yet.
    if (this.phase == Phase.IDLE) this.onEvents(Events.IN);
    if (!this.accepts() || this.phase != Phase.IDLE || this.input.length != 0) return;
    if (this.isFresh) this.loop.arm(this, FIRST_REQUEST_NS);
    else this.end();
  }

  onClose(errno: i32): void {
    this.input.free();
    const body = this.body;
    if (body !== null) body.close();
    const socket = this.socket;
    if (socket !== null) socket.detach();
  }

  /** Hands over to the WebSocket, with what has come behind the handshake. */
  private becomeSocket(): void {
    const socket = this.socket;
    if (socket === null || !this.accepts()) return;
    socket.attach(this);
    const input = this.input;
    if (input.length != 0 && this.accepts()) socket.receive(input.at, input.length);
    if (this.isOpen) input.dispose();
  }

  private accepts(): bool {
    return this.isOpen && !this.isEnding;
  }

  /** Answers the requests that are whole; returns how many bytes they were. */
  private answerAll(data: usize, length: i32): i32 {
    const end = data + length;
    // The parser wants a NUL behind the bytes: there is room for it in every buffer.
    store<u8>(end, 0);
    const output = this.server.output;
    let at = data;
    while (at < end && this.socket === null && this.body === null) {
      const used = this.answer(at, <i32>(end - at));
      if (used == 0) break;
      at += used;
      if (output.length >= OUTPUT_BYTES) {
        this.sendOutput();
        if (this.isCongested || !this.accepts()) break;
      }
    }
    return <i32>(at - data);
  }

  /**
   * Answers the request at `data`; returns how many bytes it was, 0 if it is not whole or was the
   * last one.
   */
  private answer(data: usize, length: i32): i32 {
    // An empty line before a request is passed over, as RFC 9112 §2.2 has it.
    if (load<u8>(data) == CR) return length > 1 && load<u8>(data, 1) == LF ? 2 : 0;
    const request = this.server.request;
    const head = parseHead(request, data, length);
    if (head == 0 || head > MAX_HEAD_BYTES) return this.answerNoHead(request, data, length);
    if (request.isChunked) return this.answerChunked(request, data, length, head);
    if (request.contentLength > 0) return this.answerSized(request, data, length, head);
    return this.dispatch(request) ? head : 0;
  }

  private answerNoHead(request: HttpRequest, data: usize, length: i32): i32 {
    if (request.status != 0) return this.refuse(request.status);
    if (length < MAX_HEAD_BYTES) return this.wait(Phase.HEAD);
    let at = data;
    while (at < data + length && load<u8>(at) != LF) at++;
    return this.refuse(at == data + length ? 414 : 431);
  }

  private answerSized(request: HttpRequest, data: usize, length: i32, head: i32): i32 {
    if (request.contentLength > this.server.maxBodyBytes) return this.refuse(413);
    const total = head + <i32>request.contentLength;
    if (length < total) {
      this.expectedBytes = total;
      if (this.phase != Phase.BODY && length == head) this.continueIfExpected(request);
      return this.wait(Phase.BODY);
    }
    request.bodyAt = data + head;
    request.bodyLength = total - head;
    return this.dispatch(request) ? total : 0;
  }

  private answerChunked(request: HttpRequest, data: usize, length: i32, head: i32): i32 {
    let decoder = this.decoder;
    if (decoder === null) {
      decoder = new ChunkDecoder();
      this.decoder = decoder;
    }
    decoder.start(this.server.maxBodyBytes);
    this.expectedBytes = head;
    const body = data + head;
    const used = decoder.decode(body, length - head, body);
    if (decoder.status != 0) return this.refuse(decoder.status);
    if (!decoder.isDone) {
      if (length == head) this.continueIfExpected(request);
      return this.wait(Phase.CHUNKS);
    }
    request.bodyAt = body;
    request.bodyLength = decoder.bodyLength;
    return this.dispatch(request) ? head + used : 0;
  }

  private continueIfExpected(request: HttpRequest): void {
    if (request.expectsContinue) this.server.output.appendAscii('HTTP/1.1 100 Continue\r\n\r\n');
  }

  /** Has a whole request answered; returns whether another may follow. */
  private dispatch(request: HttpRequest): bool {
    const server = this.server;
    const response = server.response;
    const after = server.isDraining ? Connection.CLOSE : connectionAfter(request);
    response.begin(after, !request.isHead);
    if (request.saysUpgrade && this.upgrade(request)) return true;
    if (!response.isSent) server.onRequest(request, response);
    if (!response.isSent) response.text(500, 'no answer\n');
    const body = response.takeBody();
    if (body !== null) return this.beginBody(body, response.connection);
    if (this.phase != Phase.IDLE) this.becomeIdle();
    if (response.connection != Connection.CLOSE) return true;
    this.sendOutput();
    this.end();
    return false;
  }

  /** Begins to send a body, for which requests that follow have to wait: true, they may follow. */
  private beginBody(body: HttpBody, connection: Connection): bool {
    this.body = body;
    this.isLast = connection == Connection.CLOSE;
    this.phase = Phase.ANSWER;
    this.loop.arm(this, this.server.idleTimeoutNs);
    this.whenWritable();
    this.pause();
    return true;
  }

  /** All of the body is written: goes on with the requests behind it. */
  private finishBody(): void {
    const body = this.body;
    if (body !== null) body.close();
    this.body = null;
    if (this.isLast) return this.end();
    this.becomeIdle();
    this.resume();
    this.onDrain();
    if (this.server.isDraining) this.drain(this.server);
  }

  /** Answers a request for a WebSocket, if there is one to be had; returns whether it is. */
  private upgrade(request: HttpRequest): bool {
    if (!asksForWebSocket(request)) return false;
    const server = this.server;
    const response = server.response;
    const socket = server.onWebSocket(request);
    if (socket === null) return false;
    const status = handshakeStatus(request);
    if (status != 0) {
      response.header('Sec-WebSocket-Version', '13');
      response.text(status, 'not a WebSocket handshake\n');
      return false;
    }
    response.switchToWebSocket(acceptKey(request));
    this.socket = socket;
    return true;
  }

  /** Answers with an error and ends the connection. */
  private refuse(status: i32): i32 {
    const response = this.server.response;
    response.begin(Connection.CLOSE, true);
    response.text(status, status.toString() + reasonOf(status) + '\n');
    this.sendOutput();
    this.end();
    return 0;
  }

  /** Takes note of what is missing, and for how long it may be. */
  private wait(phase: i32): i32 {
    if (this.phase == phase) return 0;
    this.phase = phase;
    const server = this.server;
    this.loop.arm(this, phase == Phase.HEAD ? server.headTimeoutNs : server.bodyTimeoutNs);
    return 0;
  }

  private becomeIdle(): void {
    this.phase = Phase.IDLE;
    this.wasPending = this.pendingBytes;
    this.loop.arm(this, this.server.idleTimeoutNs);
  }

  /** Keeps what is not whole. A body in chunks has been joined behind its head already. */
  private keep(data: usize, length: i32): void {
    const decoder = this.decoder;
    if (this.phase == Phase.CHUNKS && decoder !== null) {
      length = this.expectedBytes + decoder.bodyLength;
    }
    this.input.append(data, length);
  }

  /** Adds to what was kept, and answers if that can have made a request whole. */
  private append(data: usize, length: i32): void {
    const input = this.input;
    const before = input.length;
    input.append(data, length);
    switch (this.phase) {
      case Phase.HEAD:
        // Nothing is decided but at the end of a line, or when the head is too long.
        if (input.length >= MAX_HEAD_BYTES || hasLineEnd(data, length)) this.answerInput();
        return;
      case Phase.BODY:
        if (input.length >= this.expectedBytes) this.answerInput();
        return;
      case Phase.CHUNKS:
        return this.appendChunks(before, length);
      default:
        this.answerInput();
    }
  }

  /** Decodes what was appended, in place. */
  private appendChunks(before: i32, length: i32): void {
    const decoder = this.decoder;
    if (decoder === null) return;
    const input = this.input;
    const at = input.at + before;
    const used = decoder.decode(at, length, at);
    const head = this.expectedBytes;
    if (decoder.status != 0) {
      this.refuse(decoder.status);
    } else if (!decoder.isDone) {
      input.truncate(head + decoder.bodyLength);
    } else {
      const request = this.server.request;
      parseHead(request, input.at, head);
      request.bodyAt = input.at + head;
      request.bodyLength = decoder.bodyLength;
      if (!this.dispatch(request)) return;
      input.consume(before + used);
      this.answerInput();
    }
  }

  /** Answers what is whole of what was kept. */
  private answerInput(): void {
    const input = this.input;
    if (input.length == 0) return;
    const used = this.answerAll(input.at, input.length);
    if (!this.accepts()) return;
    input.consume(used);
    const decoder = this.decoder;
    if (this.phase == Phase.CHUNKS && decoder !== null) {
      input.truncate(this.expectedBytes + decoder.bodyLength);
    }
    if (input.length == 0) input.dispose();
  }

  private sendOutput(): void {
    const output = this.server.output;
    if (output.length == 0) return;
    if (this.accepts()) this.writeBuffer(output);
    else output.clear();
  }
}
