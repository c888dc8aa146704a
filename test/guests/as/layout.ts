/** The offsets that AssemblyScript gives the structs of guest memory, one line for each field. */

import { exit, print } from 'sandpoll/guest';

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

function others(): void {
  line('EpollEvent.events', offsetof<EpollEvent>('events'));
  line('EpollEvent.zero', offsetof<EpollEvent>('zero'));
  line('EpollEvent.data', offsetof<EpollEvent>('data'));
  line('Timespec.seconds', offsetof<Timespec>('seconds'));
  line('Timespec.nanoseconds', offsetof<Timespec>('nanoseconds'));
  line('Address.buf', offsetof<Address>('buf'));
  line('Address.len', offsetof<Address>('len'));
  line('AddressV2.family', offsetof<AddressV2>('family'));
  line('AddressV2.address', offsetof<AddressV2>('address'));
  line('Timeval.seconds', offsetof<Timeval>('seconds'));
  line('Timeval.microseconds', offsetof<Timeval>('microseconds'));
  line('Linger.onoff', offsetof<Linger>('onoff'));
  line('Linger.lingerSeconds', offsetof<Linger>('lingerSeconds'));
}

preview1();
others();
exit(0);
