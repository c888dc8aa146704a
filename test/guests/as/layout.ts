/** The offsets that AssemblyScript gives the structs of guest memory, one line for each field. */

import { FileStat, exit, print } from 'sandpoll/guest';
import { Dirent } from 'sandpoll/guest/fs/directory';
import { Prestat } from 'sandpoll/guest/fs/path';

@unmanaged
class Iovec {
  buf: u32;
  len: u32;
}

@unmanaged
class Fdstat {
  filetype: u8;
  flags: u16;
  rightsBase: u64;
  rightsInheriting: u64;
}

/** The union of a subscription begins where its own alignment, 8, puts it: the tag fills 8. */
@unmanaged
class SubscriptionClock {
  userdata: u64;
  tag: u64;
  id: u32;
  timeout: u64;
  precision: u64;
  flags: u16;
}

@unmanaged
class SubscriptionFd {
  userdata: u64;
  tag: u64;
  fd: u32;
}

@unmanaged
class Event {
  userdata: u64;
  error: u16;
  type: u8;
  nbytes: u64;
  flags: u16;
}

@unmanaged
class LinuxDirent64 {
  ino: u64;
  off: i64;
  reclen: u16;
  type: u8;
  name: u8;
}

@unmanaged
class Status {
  dev: u64;
  ino: u64;
  mode: u32;
  zero: u32;
  nlink: u64;
  size: u64;
  atim: u64;
  mtim: u64;
  ctim: u64;
}

/** Preview0's; the union begins where the tag, as 8 bytes, ends. */
@unmanaged
class UnstableSubscriptionClock {
  userdata: u64;
  tag: u64;
  identifier: u64;
  id: u32;
  timeout: u64;
  precision: u64;
  flags: u16;
}

@unmanaged
class UnstableFilestat {
  dev: u64;
  ino: u64;
  filetype: u8;
  nlink: u32;
  size: u64;
  atim: u64;
  mtim: u64;
  ctim: u64;
}

@unmanaged
class EpollEvent {
  events: u32;
  zero: u32;
  data: u64;
}

@unmanaged
class Timespec {
  seconds: i64;
  nanoseconds: i64;
}

@unmanaged
class Itimerspec {
  intervalSeconds: i64;
  intervalNanoseconds: i64;
  valueSeconds: i64;
  valueNanoseconds: i64;
}

@unmanaged
class Address {
  buf: u32;
  len: u32;
}

@unmanaged
class AddressV2 {
  family: u16;
  address: u8;
}

@unmanaged
class Timeval {
  seconds: i64;
  microseconds: i64;
}

@unmanaged
class Linger {
  onoff: u32;
  lingerSeconds: u32;
}

@unmanaged
class SignalfdSiginfo {
  signo: u32;
  errno: i32;
  code: i32;
  pid: u32;
  uid: u32;
}

@unmanaged
class Addrinfo {
  flags: u16;
  family: u8;
  socktype: u8;
  protocol: u8;
  addrlen: u32;
  addr: u32;
  canonname: u32;
  canonnameLen: u32;
  next: u32;
}

@unmanaged
class Sockaddr {
  family: u8;
  dataLen: u32;
  data: u32;
}

@unmanaged
class SockaddrIn {
  family: u16;
  port: u16;
  addr: u32;
}

/** The address is 16 bytes: `addr` and what lies before `scopeId`. */
@unmanaged
class SockaddrIn6 {
  family: u16;
  port: u16;
  flowinfo: u32;
  addr: u32;
  addr1: u32;
  addr2: u32;
  addr3: u32;
  scopeId: u32;
}

@unmanaged
class SockaddrUn {
  family: u16;
  path: u8;
}

@unmanaged
class Submission {
  opcode: u32;
  fd: u32;
  buf: u32;
  len: u32;
  result: u32;
}

@unmanaged
class Msghdr {
  name: u32;
  namelen: u32;
  iov: u32;
  iovlen: u32;
  control: u32;
  controllen: u32;
  flags: u32;
}

@unmanaged
class Mmsghdr {
  // A msghdr, 28 bytes.
  hdr: u32;
  hdr1: u32;
  hdr2: u32;
  hdr3: u32;
  hdr4: u32;
  hdr5: u32;
  hdr6: u32;
  len: u32;
}

@unmanaged
class IpMreqn {
  multiaddr: u32;
  address: u32;
  ifindex: u32;
}

@unmanaged
class Ipv6Mreq {
  multiaddr: u32;
  multiaddr1: u32;
  multiaddr2: u32;
  multiaddr3: u32;
  ifindex: u32;
}

function line(field: string, offset: usize): void {
  print(field + ' ' + offset.toString() + '\n');
}

function preview1(): void {
  line('Iovec.buf', offsetof<Iovec>('buf'));
  line('Iovec.len', offsetof<Iovec>('len'));
  line('Fdstat.filetype', offsetof<Fdstat>('filetype'));
  line('Fdstat.flags', offsetof<Fdstat>('flags'));
  line('Fdstat.rightsBase', offsetof<Fdstat>('rightsBase'));
  line('Fdstat.rightsInheriting', offsetof<Fdstat>('rightsInheriting'));
  line('Subscription.userdata', offsetof<SubscriptionClock>('userdata'));
  line('Subscription.tag', offsetof<SubscriptionClock>('tag'));
  line('Subscription.clockId', offsetof<SubscriptionClock>('id'));
  line('Subscription.clockTimeout', offsetof<SubscriptionClock>('timeout'));
  line('Subscription.clockPrecision', offsetof<SubscriptionClock>('precision'));
  line('Subscription.clockFlags', offsetof<SubscriptionClock>('flags'));
  line('Subscription.fd', offsetof<SubscriptionFd>('fd'));
  line('Event.userdata', offsetof<Event>('userdata'));
  line('Event.error', offsetof<Event>('error'));
  line('Event.type', offsetof<Event>('type'));
  line('Event.nbytes', offsetof<Event>('nbytes'));
  line('Event.flags', offsetof<Event>('flags'));
}

function files(): void {
  line('Filestat.dev', offsetof<FileStat>('dev'));
  line('Filestat.ino', offsetof<FileStat>('ino'));
  line('Filestat.filetype', offsetof<FileStat>('filetype'));
  line('Filestat.nlink', offsetof<FileStat>('nlink'));
  line('Filestat.size', offsetof<FileStat>('size'));
  line('Filestat.atim', offsetof<FileStat>('atim'));
  line('Filestat.mtim', offsetof<FileStat>('mtim'));
  line('Filestat.ctim', offsetof<FileStat>('ctim'));
  line('Dirent.next', offsetof<Dirent>('next'));
  line('Dirent.ino', offsetof<Dirent>('ino'));
  line('Dirent.namlen', offsetof<Dirent>('namlen'));
  line('Dirent.type', offsetof<Dirent>('type'));
  line('Prestat.tag', offsetof<Prestat>('tag'));
  line('Prestat.nameLen', offsetof<Prestat>('nameLen'));
  line('LinuxDirent64.ino', offsetof<LinuxDirent64>('ino'));
  line('LinuxDirent64.off', offsetof<LinuxDirent64>('off'));
  line('LinuxDirent64.reclen', offsetof<LinuxDirent64>('reclen'));
  line('LinuxDirent64.type', offsetof<LinuxDirent64>('type'));
  line('LinuxDirent64.name', offsetof<LinuxDirent64>('name'));
  line('Status.dev', offsetof<Status>('dev'));
  line('Status.ino', offsetof<Status>('ino'));
  line('Status.mode', offsetof<Status>('mode'));
  line('Status.zero', offsetof<Status>('zero'));
  line('Status.nlink', offsetof<Status>('nlink'));
  line('Status.size', offsetof<Status>('size'));
  line('Status.atim', offsetof<Status>('atim'));
  line('Status.mtim', offsetof<Status>('mtim'));
  line('Status.ctim', offsetof<Status>('ctim'));
}

function unstable(): void {
  line('UnstableSubscription.userdata', offsetof<UnstableSubscriptionClock>('userdata'));
  line('UnstableSubscription.tag', offsetof<UnstableSubscriptionClock>('tag'));
  line('UnstableSubscription.clockIdentifier', offsetof<UnstableSubscriptionClock>('identifier'));
  line('UnstableSubscription.clockId', offsetof<UnstableSubscriptionClock>('id'));
  line('UnstableSubscription.clockTimeout', offsetof<UnstableSubscriptionClock>('timeout'));
  line('UnstableSubscription.clockPrecision', offsetof<UnstableSubscriptionClock>('precision'));
  line('UnstableSubscription.clockFlags', offsetof<UnstableSubscriptionClock>('flags'));
  line('UnstableSubscription.fd', offsetof<SubscriptionFd>('fd'));
  line('UnstableFilestat.dev', offsetof<UnstableFilestat>('dev'));
  line('UnstableFilestat.ino', offsetof<UnstableFilestat>('ino'));
  line('UnstableFilestat.filetype', offsetof<UnstableFilestat>('filetype'));
  line('UnstableFilestat.nlink', offsetof<UnstableFilestat>('nlink'));
  line('UnstableFilestat.size', offsetof<UnstableFilestat>('size'));
  line('UnstableFilestat.atim', offsetof<UnstableFilestat>('atim'));
  line('UnstableFilestat.mtim', offsetof<UnstableFilestat>('mtim'));
  line('UnstableFilestat.ctim', offsetof<UnstableFilestat>('ctim'));
}

function others(): void {
  line('EpollEvent.events', offsetof<EpollEvent>('events'));
  line('EpollEvent.zero', offsetof<EpollEvent>('zero'));
  line('EpollEvent.data', offsetof<EpollEvent>('data'));
  line('Timespec.seconds', offsetof<Timespec>('seconds'));
  line('Timespec.nanoseconds', offsetof<Timespec>('nanoseconds'));
  line('Itimerspec.intervalSeconds', offsetof<Itimerspec>('intervalSeconds'));
  line('Itimerspec.intervalNanoseconds', offsetof<Itimerspec>('intervalNanoseconds'));
  line('Itimerspec.valueSeconds', offsetof<Itimerspec>('valueSeconds'));
  line('Itimerspec.valueNanoseconds', offsetof<Itimerspec>('valueNanoseconds'));
  line('Address.buf', offsetof<Address>('buf'));
  line('Address.len', offsetof<Address>('len'));
  line('AddressV2.family', offsetof<AddressV2>('family'));
  line('AddressV2.address', offsetof<AddressV2>('address'));
  line('Timeval.seconds', offsetof<Timeval>('seconds'));
  line('Timeval.microseconds', offsetof<Timeval>('microseconds'));
  line('Linger.onoff', offsetof<Linger>('onoff'));
  line('Linger.lingerSeconds', offsetof<Linger>('lingerSeconds'));
  line('SignalfdSiginfo.signo', offsetof<SignalfdSiginfo>('signo'));
  line('SignalfdSiginfo.errno', offsetof<SignalfdSiginfo>('errno'));
  line('SignalfdSiginfo.code', offsetof<SignalfdSiginfo>('code'));
  line('SignalfdSiginfo.pid', offsetof<SignalfdSiginfo>('pid'));
  line('SignalfdSiginfo.uid', offsetof<SignalfdSiginfo>('uid'));
  line('Addrinfo.flags', offsetof<Addrinfo>('flags'));
  line('Addrinfo.family', offsetof<Addrinfo>('family'));
  line('Addrinfo.socktype', offsetof<Addrinfo>('socktype'));
  line('Addrinfo.protocol', offsetof<Addrinfo>('protocol'));
  line('Addrinfo.addrlen', offsetof<Addrinfo>('addrlen'));
  line('Addrinfo.addr', offsetof<Addrinfo>('addr'));
  line('Addrinfo.canonname', offsetof<Addrinfo>('canonname'));
  line('Addrinfo.canonnameLen', offsetof<Addrinfo>('canonnameLen'));
  line('Addrinfo.next', offsetof<Addrinfo>('next'));
  line('Sockaddr.family', offsetof<Sockaddr>('family'));
  line('Sockaddr.dataLen', offsetof<Sockaddr>('dataLen'));
  line('Sockaddr.data', offsetof<Sockaddr>('data'));
}

function sockets(): void {
  line('SockaddrIn.family', offsetof<SockaddrIn>('family'));
  line('SockaddrIn.port', offsetof<SockaddrIn>('port'));
  line('SockaddrIn.addr', offsetof<SockaddrIn>('addr'));
  line('SockaddrIn6.family', offsetof<SockaddrIn6>('family'));
  line('SockaddrIn6.port', offsetof<SockaddrIn6>('port'));
  line('SockaddrIn6.flowinfo', offsetof<SockaddrIn6>('flowinfo'));
  line('SockaddrIn6.addr', offsetof<SockaddrIn6>('addr'));
  line('SockaddrIn6.scopeId', offsetof<SockaddrIn6>('scopeId'));
  line('SockaddrUn.family', offsetof<SockaddrUn>('family'));
  line('SockaddrUn.path', offsetof<SockaddrUn>('path'));
  line('Submission.opcode', offsetof<Submission>('opcode'));
  line('Submission.fd', offsetof<Submission>('fd'));
  line('Submission.buf', offsetof<Submission>('buf'));
  line('Submission.len', offsetof<Submission>('len'));
  line('Submission.result', offsetof<Submission>('result'));
  line('Msghdr.name', offsetof<Msghdr>('name'));
  line('Msghdr.namelen', offsetof<Msghdr>('namelen'));
  line('Msghdr.iov', offsetof<Msghdr>('iov'));
  line('Msghdr.iovlen', offsetof<Msghdr>('iovlen'));
  line('Msghdr.control', offsetof<Msghdr>('control'));
  line('Msghdr.controllen', offsetof<Msghdr>('controllen'));
  line('Msghdr.flags', offsetof<Msghdr>('flags'));
  line('Mmsghdr.hdr', offsetof<Mmsghdr>('hdr'));
  line('Mmsghdr.len', offsetof<Mmsghdr>('len'));
  line('IpMreqn.multiaddr', offsetof<IpMreqn>('multiaddr'));
  line('IpMreqn.address', offsetof<IpMreqn>('address'));
  line('IpMreqn.ifindex', offsetof<IpMreqn>('ifindex'));
  line('Ipv6Mreq.multiaddr', offsetof<Ipv6Mreq>('multiaddr'));
  line('Ipv6Mreq.ifindex', offsetof<Ipv6Mreq>('ifindex'));
}

preview1();
files();
unstable();
others();
sockets();
exit(0);
