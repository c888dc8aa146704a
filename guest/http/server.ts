/** An HTTP/1.1 server: subclass `HttpServer`, and answer in `onRequest`. */

import { ByteBuffer } from '../bytes';
import { NS_PER_S } from '../clock';
import { EventLoop } from '../loop';
import { TcpListener } from '../net/listener';
import { WebSocket } from '../websocket/socket';
import { HttpConnection } from './connection';
import { HttpDate } from './date';
import { HttpRequest } from './request';
import { HttpResponse } from './response';

/**
 * A listener whose connections speak HTTP/1.1.
 *
 *     class Hello extends HttpServer {
 *       private home: HttpPage = new HttpPage(200, 'hello\n');
 *
 *       onRequest(request: HttpRequest, response: HttpResponse): void {
 *         if (request.pathIs('/')) response.page(this.home);
 *         else response.text(404, 'not found\n');
 *       }
 *     }
 */
export abstract class HttpServer extends TcpListener {
  /** The longest body in bytes; a longer one is answered with 413. */
  maxBodyBytes: i32 = 1 << 20;
  /** How long a client may take from the first byte of a request to the end of its head. */
  headTimeoutNs: i64 = 10 * NS_PER_S;
  /** How long it may take from there to the end of the body. */
  bodyTimeoutNs: i64 = 30 * NS_PER_S;
  /** How long, once to twice this, a connection may be without a request. */
  idleTimeoutNs: i64 = 30 * NS_PER_S;

  /** Whether every answer is the last one of its connection: see `drain`. */
  isDraining: bool = false;

  /** The request and the answer at hand: one at a time, so one of each is enough. */
  readonly request: HttpRequest = new HttpRequest();
  readonly response: HttpResponse;
  /** The answers to all requests of one segment, which leave together. */
  readonly output: ByteBuffer;
  readonly date: HttpDate;

  constructor(loop: EventLoop, fd: i32) {
    super(loop, fd);
    const output = new ByteBuffer();
    this.output = output;
    const date = new HttpDate(loop);
    this.date = date;
    this.response = new HttpResponse(output, date.text);
  }

  /** Called with each request; answer it before returning. */
  abstract onRequest(request: HttpRequest, response: HttpResponse): void;

  /**
   * Called with a request that asks for a WebSocket: return a new one to grant it. By default
   * there is none, and the request goes to `onRequest` as any other.
   */
  onWebSocket(request: HttpRequest): WebSocket | null {
    return null;
  }

  /**
   * Ends it in peace: accepts those who have just connected, then nobody. Connections without
   * a request end now, or a second after they came if they have never had one; the others with the
   * answer to it. When all have ended, the loop has nothing
   * left to wait for.
   */
  drain(): void {
    if (this.isDraining) return;
    this.acceptAll();
    this.close();
    this.isDraining = true;
    this.date.release();
    const loop = this.loop;
    for (let slot = 0; slot < loop.slotCount; slot++) {
      const handler = loop.handlerAt(slot);
      if (handler instanceof HttpConnection) (handler as HttpConnection).drain(this);
    }
  }

  onAccept(fd: i32): void {
    new HttpConnection(this, fd);
  }
}
