/** A WebSocket server that sends every message back; SIZE and IDLE_MS set its limits. */

import {
  EpollPoller,
  EventLoop,
  HttpRequest,
  HttpResponse,
  HttpServer,
  NS_PER_MS,
  WebSocket,
  env,
  exit,
  listenerFd,
  print,
} from 'sandpoll/guest';

class Echo extends WebSocket {
  onText(data: usize, length: i32): void {
    this.sendText(data, length);
  }

  onBinary(data: usize, length: i32): void {
    this.sendBinary(data, length);
  }

  onClose(code: i32): void {
    print('closed ' + code.toString() + '\n');
  }
}

class Server extends HttpServer {
  onRequest(request: HttpRequest, response: HttpResponse): void {
    response.text(404, 'not found\n');
  }

  onWebSocket(request: HttpRequest): WebSocket | null {
    if (!request.pathIs('/echo')) return null;
    const echo = new Echo();
    const size = env('SIZE');
    if (size !== null) echo.maxMessageBytes = I32.parseInt(size);
    const idleMs = env('IDLE_MS');
    if (idleMs !== null) echo.idleTimeoutNs = I64.parseInt(idleMs) * NS_PER_MS;
    return echo;
  }
}

const loop = new EventLoop(new EpollPoller());
new Server(loop, listenerFd());
exit(-loop.run());
