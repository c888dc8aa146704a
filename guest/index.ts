/**
 * `sandpoll/guest`: servers in AssemblyScript. README.md of this folder explains it.
 *
 * Nothing here throws. A result is `>= 0`, or minus an `Errno`.
 */

export { abort } from './abort';
export { ByteBuffer } from './bytes';
export { Channel, channelFd, channelFds } from './channel';
export { NS_PER_MS, NS_PER_S, monotonicNs, realtimeNs } from './clock';
export { Errno, errnoName } from './errno';
export {
  Directory,
  DirectoryEntry,
  link,
  mkdir,
  readDir,
  readlink,
  rename,
  rmdir,
  symlink,
  unlink,
} from './fs/directory';
export { File, Whence, readFile, readText, writeFile, writeText } from './fs/file';
export { Open } from './fs/open';
export { FileStat, Filetype, fstat, lstat, stat } from './fs/stat';
export { FileBody, HttpBody } from './http/body';
export { httpDate } from './http/date';
export { HttpPage, HttpResponse } from './http/response';
export { HttpRequest } from './http/request';
export { HttpServer } from './http/server';
export { EventLoop, Handler, RECEIVE_BYTES } from './loop';
export { Family, SocketAddress } from './net/address';
export { DatagramSocket } from './net/datagram';
export { TcpListener, listenOn, listenerFd } from './net/listener';
export {
  Shutdown,
  accept,
  bind,
  connect,
  isStreamSocket,
  listen,
  localAddress,
  openDatagram,
  openStream,
  peerAddress,
  recv,
  recvFrom,
  resetOnClose,
  send,
  sendTo,
  setBroadcast,
  setNoDelay,
  setNonBlocking,
  shutdown,
  takeError,
  wasTruncated,
} from './net/socket';
export { TcpStream } from './net/stream';
export { EpollPoller, Trigger } from './poller/epoll';
export { PollPoller } from './poller/poll';
export { Events, NEVER, Poller } from './poller/poller';
export { args, env, environment, exit, print, printError } from './process';
export { Signal, SignalListener } from './signals';
export { equalsAscii, equalsAsciiIgnoreCase, writeAscii, writeDecimal } from './text';
export { Timer, TimerHeap } from './timers';
export { CloseCode } from './websocket/frame';
export { WebSocket } from './websocket/socket';
export { isUtf8 } from './websocket/utf8';
