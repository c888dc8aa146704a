/** The site, whichever poller serves it. */

import {
  EventLoop,
  HttpPage,
  HttpRequest,
  HttpResponse,
  HttpServer,
  NS_PER_MS,
  Poller,
  SocketAddress,
  env,
  exit,
  listenerFd,
  localAddress,
  print,
  printError,
} from 'sandpoll/guest';

/** The pages. */
export class Site extends HttpServer {
  private home: HttpPage = new HttpPage(200, 'Hello from inside the sandbox.\n');
  private health: HttpPage = new HttpPage(200, 'ok\n');
  private notFound: HttpPage = new HttpPage(404, 'not found\n');

  onRequest(request: HttpRequest, response: HttpResponse): void {
    if (request.pathIs('/')) this.show(this.home, request, response);
    else if (request.pathIs('/health')) this.show(this.health, request, response);
    else if (request.pathIs('/echo')) this.echo(request, response);
    else response.page(this.notFound);
  }

  private show(page: HttpPage, request: HttpRequest, response: HttpResponse): void {
    if (request.methodIs('GET') || request.methodIs('HEAD')) response.page(page);
    else this.refuseMethod(response, 'GET, HEAD');
  }

  private echo(request: HttpRequest, response: HttpResponse): void {
    if (!request.methodIs('POST')) return this.refuseMethod(response, 'POST');
    response.bytes(200, 'application/octet-stream', request.bodyAt, request.bodyLength);
  }

  private refuseMethod(response: HttpResponse, allowed: string): void {
    response.header('Allow', allowed);
    response.text(405, 'method not allowed\n');
  }
}

/** Opens the site on the first listener that the host has opened. */
export function openSite(poller: Poller): Site {
  const fd = listenerFd();
  if (fd < 0) {
    printError('http: there is no listener; run it with --listen 127.0.0.1:8080\n');
    exit(1);
  }
  const loop = new EventLoop(poller);
  const site = new Site(loop, fd);
  const address = new SocketAddress();
  const worker = env('SANDPOLL_WORKER');
  const isFirst = worker === null || worker == '0';
  if (isFirst && localAddress(fd, address) == 0) {
    print('try: curl http://' + address.toString() + '/\n');
  }
  const timeoutMs = env('TIMEOUT_MS');
  if (timeoutMs !== null) setTimeouts(site, I64.parseInt(timeoutMs) * NS_PER_MS);
  return site;
}

function setTimeouts(site: Site, timeoutNs: i64): void {
  site.headTimeoutNs = timeoutNs;
  site.bodyTimeoutNs = timeoutNs;
  site.idleTimeoutNs = timeoutNs;
}
