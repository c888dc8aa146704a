/** One room: what a member says reaches everyone in it. */

import {
  CloseCode,
  EventLoop,
  HttpPage,
  HttpRequest,
  HttpResponse,
  HttpServer,
  Poller,
  SocketAddress,
  WebSocket,
  exit,
  listenerFd,
  localAddress,
  print,
  printError,
} from 'sandpoll/guest';
import { PAGE } from './page';

const NAME_CHARACTERS_MAX: i32 = 32;
const TEXT_BYTES_MAX: i32 = 4096;
/** A member who leaves more than this unread is put out: nobody waits for the slowest. */
const UNREAD_BYTES_MAX: i32 = 1 << 20;

/** Someone in the room, from the first text, which is the name. */
class Member extends WebSocket {
  private room: Room;
  private name: string = '';
  /** The place among the members; −1 for one who has not come in. */
  place: i32 = -1;

  constructor(room: Room) {
    super();
    this.room = room;
    this.maxMessageBytes = TEXT_BYTES_MAX;
  }

  onText(data: usize, length: i32): void {
    const text = String.UTF8.decodeUnsafe(data, length);
    if (this.place >= 0) return this.room.tell(this.name + ': ' + text);
    const name = text.trim();
    if (name.length == 0 || name.length > NAME_CHARACTERS_MAX) return this.close(CloseCode.POLICY);
    this.name = name;
    this.room.enter(this);
    this.room.tell('* ' + name + ' came in');
  }

  onClose(code: i32): void {
    if (this.place < 0) return;
    this.room.leave(this);
    this.room.tell('* ' + this.name + ' left');
  }
}

class Room extends HttpServer {
  private members: Array<Member> = [];
  private page: HttpPage = new HttpPage(200, PAGE, 'text/html; charset=utf-8');
  private notFound: HttpPage = new HttpPage(404, 'not found\n');

  onRequest(request: HttpRequest, response: HttpResponse): void {
    if (!request.pathIs('/')) return response.page(this.notFound);
    if (request.methodIs('GET') || request.isHead) return response.page(this.page);
    response.header('Allow', 'GET, HEAD');
    response.text(405, 'method not allowed\n');
  }

  onWebSocket(request: HttpRequest): WebSocket | null {
    return request.pathIs('/chat') ? new Member(this) : null;
  }

  enter(member: Member): void {
    member.place = this.members.push(member) - 1;
  }

  leave(member: Member): void {
    const last = this.members.pop();
    if (last != member) {
      last.place = member.place;
      this.members[last.place] = last;
    }
    member.place = -1;
  }

  /** Says a line to everyone. */
  tell(line: string): void {
    const text = String.UTF8.encode(line);
    // From the end: one who is put out leaves the list, and the last one takes the place.
    for (let i = this.members.length - 1; i >= 0; i--) {
      if (i >= this.members.length) continue;
      const member = this.members[i];
      member.sendText(changetype<usize>(text), text.byteLength);
      if (member.pendingBytes > UNREAD_BYTES_MAX) member.abort();
    }
  }
}

/** Serves the first listener that the host has opened, until the guest is stopped. */
export function serve(poller: Poller): void {
  const fd = listenerFd();
  if (fd < 0) {
    printError('chat: there is no listener; run it with --listen 127.0.0.1:8080\n');
    exit(1);
  }
  const loop = new EventLoop(poller);
  new Room(loop, fd);
  const address = new SocketAddress();
  if (localAddress(fd, address) == 0) print('open http://' + address.toString() + '/\n');
  exit(-loop.run());
}
