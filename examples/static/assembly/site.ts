/** The files of a directory, whichever poller serves them. */

import {
  Errno,
  EventLoop,
  File,
  FileBody,
  FileStat,
  Filetype,
  HttpPage,
  HttpRequest,
  HttpResponse,
  HttpServer,
  NS_PER_MS,
  Open,
  Poller,
  SocketAddress,
  args,
  env,
  errnoName,
  exit,
  httpDate,
  listenerFd,
  localAddress,
  print,
  printError,
  stat,
} from 'sandpoll/guest';
import { ByteRange } from './range';
import { decodePath, pathLength } from './target';
import { typeOf } from './types';

const INDEX: string = 'index.html';

/** A directory, and what answers requests for what is in it. */
export class Site extends HttpServer {
  private root: string;
  private status: FileStat = new FileStat();
  private range: ByteRange = new ByteRange();
  private notFound: HttpPage = new HttpPage(404, 'not found\n');

  constructor(loop: EventLoop, fd: i32, root: string) {
    super(loop, fd);
    this.root = root;
  }

  onRequest(request: HttpRequest, response: HttpResponse): void {
    if (!request.isHead && !request.methodIs('GET')) {
      response.header('Allow', 'GET, HEAD');
      return response.text(405, 'method not allowed\n');
    }
    const length = pathLength(request.targetAt, request.targetLength);
    const path = decodePath(request.targetAt, length);
    if (path === null) return response.page(this.notFound);
    this.show(path.endsWith('/') ? path + INDEX : path, request, response);
  }

  /** Answers with what is there, if it can be had. */
  private show(path: string, request: HttpRequest, response: HttpResponse): void {
    const file = File.open(this.root + path);
    if (!file.isOpen) return this.refuse(-file.fd, response);
    const status = this.status;
    const result = file.stat(status);
    if (result == 0 && status.filetype == Filetype.REGULAR_FILE) {
      return this.send(file, typeOf(path), request, response);
    }
    file.close();
    if (result < 0) return this.refuse(-result, response);
    if (status.filetype == Filetype.DIRECTORY) redirect(request, response);
    else response.page(this.notFound);
  }

  /** Answers with a file, or as much of it as is asked for. */
  private send(file: File, type: string, request: HttpRequest, response: HttpResponse): void {
    const size = this.status.size;
    const tag = '"' + this.status.mtim.toString(36) + '-' + size.toString(36) + '"';
    const modified = httpDate(this.status.mtim);
    response.header('ETag', tag);
    response.header('Last-Modified', modified);
    response.header('Accept-Ranges', 'bytes');
    if (isKnown(request, tag, modified)) {
      file.close();
      return response.head(304, type, size);
    }
    const range = this.range;
    const status = rangeStatus(request, tag, range, size);
    if (status == 416) {
      file.close();
      response.header('Content-Range', 'bytes */' + size.toString());
      return response.text(416, 'there is no such part\n');
    }
    if (status == 206) response.header('Content-Range', range.describe(size));
    response.stream(status, type, range.length, new FileBody(file, range.first));
  }

  /** Answers that there is nothing: what leads out of the directory is nothing, too. */
  private refuse(errno: i32, response: HttpResponse): void {
    switch (errno) {
      case Errno.ACCES:
        return response.text(403, 'forbidden\n');
      case Errno.MFILE:
      case Errno.NFILE:
      case Errno.NOMEM:
        return response.text(503, 'busy\n');
      case Errno.IO:
        return response.text(500, 'not readable\n');
      default:
        response.page(this.notFound);
    }
  }
}

/** Answers that a directory's path ends with a slash: what is linked in it depends on that. */
function redirect(request: HttpRequest, response: HttpResponse): void {
  const target = request.targetAt;
  const length = pathLength(target, request.targetLength);
  const query = String.UTF8.decodeUnsafe(target + length, request.targetLength - length);
  response.header('Location', String.UTF8.decodeUnsafe(target, length) + '/' + query);
  response.text(301, 'it is a directory\n');
}

/** Whether the client has what it would get, as it says. */
function isKnown(request: HttpRequest, tag: string, modified: string): bool {
  if (request.findHeader('if-none-match')) {
    const value = valueOf(request);
    return value == '*' || value.includes(tag);
  }
  return request.findHeader('if-modified-since') && valueOf(request) == modified;
}

/** The status of an answer, with all of a file, a part or none in `range`. */
function rangeStatus(request: HttpRequest, tag: string, range: ByteRange, size: i64): i32 {
  const isWhole = request.isHead || (request.findHeader('if-range') && valueOf(request) != tag);
  if (!isWhole && request.findHeader('range')) {
    return range.read(request.valueAt, request.valueLength, size);
  }
  range.first = 0;
  range.length = size;
  return 200;
}

function valueOf(request: HttpRequest): string {
  return String.UTF8.decodeUnsafe(request.valueAt, request.valueLength);
}

/** Opens the site that the arguments say, on the first listener that the host has opened. */
export function openSite(poller: Poller): Site {
  const fd = listenerFd();
  const words = args();
  if (fd < 0) fail('there is no listener; run it with --listen 127.0.0.1:8080');
  if (words.length < 2) fail('which directory? Run it with --dir ./public::/www:ro, and /www');
  const root = words[1];
  const status = new FileStat();
  const result = stat(root, status);
  if (result < 0)
    fail(root + ': ' + errnoName(-result) + '; --dir ./public::' + root + ' grants it');
  if (status.filetype != Filetype.DIRECTORY) fail(root + ' is not a directory');
  const site = new Site(new EventLoop(poller), fd, root);
  const timeoutMs = env('TIMEOUT_MS');
  if (timeoutMs !== null) site.idleTimeoutNs = I64.parseInt(timeoutMs) * NS_PER_MS;
  const address = new SocketAddress();
  const worker = env('SANDPOLL_WORKER');
  if ((worker === null || worker == '0') && localAddress(fd, address) == 0) {
    print('try: curl http://' + address.toString() + '/\n');
  }
  return site;
}

function fail(sentence: string): void {
  printError('static: ' + sentence + '\n');
  exit(1);
}
