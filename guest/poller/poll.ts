/** The portable poller, which needs nothing but `poll_oneoff` of `wasi_snapshot_preview1`. */

import { poll_oneoff } from '../bindings/wasi_snapshot_preview1';
import { Errno } from '../errno';
import { Events, NEVER, Poller } from './poller';

const SUBSCRIPTION_BYTES: i32 = 48;
const EVENT_BYTES: i32 = 32;
const READY_BYTES: i32 = 16;

const TAG_CLOCK: u8 = 0;
const TAG_FD_READ: u8 = 1;
const TAG_FD_WRITE: u8 = 2;
const CLOCK_MONOTONIC: i32 = 1;
const ABSTIME: u16 = 1;
const HANGUP: u16 = 1;
const CLOCK_SLOT: u32 = u32.MAX_VALUE;
const NONE: i32 = -1;

const RESULT: usize = memory.data(4, 4);

/**
 * The array of subscriptions persists: as long as neither an interest nor the next deadline
 * changes, the host sees the same bytes, call after call. One that goes is replaced by the last
 * one. Behind them comes the clock (with an absolute time) if a timer is armed: so neither a
 * timer nor an interest moves any other.
 */
export class PollPoller extends Poller {
  private subscriptions: usize = 0;
  private length: i32 = 0;
  private capacity: i32 = 0;
  /** How many events there is room for: not changed by `update`, which handlers call. */
  private room: i32 = 0;
  /** For each slot, the places of its read (i32 @0) and its write subscription (i32 @4). */
  private places: usize = 0;
  private slots: i32 = 0;

  open(): i32 {
    this.growSubscriptions(64);
    return 0;
  }

  update(fd: i32, slot: i32, generation: u32, from: i32, to: i32): i32 {
    if (slot >= this.slots) this.growSlots(slot + 1);
    this.change(fd, slot, generation, TAG_FD_READ, (to & Events.IN) != 0);
    this.change(fd, slot, generation, TAG_FD_WRITE, (to & Events.OUT) != 0);
    return 0;
  }

  forget(slot: i32): void {
    if (slot >= this.slots) return;
    this.unsubscribe(slot, TAG_FD_READ);
    this.unsubscribe(slot, TAG_FD_WRITE);
  }

  wait(deadlineNs: i64): i32 {
    this.timeIsUp = false;
    let count = this.length;
    if (deadlineNs != NEVER) this.writeClock(count++, deadlineNs);
    if (count == 0) return -Errno.DEADLK;
    if (this.room < count) this.growEvents();
    const errno = poll_oneoff(this.subscriptions, this.events, count, RESULT);
    return errno == 0 ? this.convert(load<i32>(RESULT)) : -errno;
  }

  /** Turns WASI's events into ready records, in place; an expired clock makes none. */
  private convert(count: i32): i32 {
    let to = this.events;
    const end = this.events + count * EVENT_BYTES;
    for (let event = this.events; event < end; event += EVENT_BYTES) {
      const slot = load<u32>(event);
      const generation = load<u32>(event, 4);
      if (slot == CLOCK_SLOT) {
        this.timeIsUp = true;
        continue;
      }
      let events: i32 = load<u8>(event, 10) == TAG_FD_WRITE ? Events.OUT : Events.IN;
      if (load<u16>(event, 8) != 0) events |= Events.ERR;
      if (load<u16>(event, 24) & HANGUP) events |= Events.HUP;
      store<i32>(to, events);
      store<u32>(to, slot, 8);
      store<u32>(to, generation, 12);
      to += READY_BYTES;
    }
    return <i32>((to - this.events) / READY_BYTES);
  }

  private writeClock(place: i32, deadlineNs: i64): void {
    const clock = this.subscriptions + place * SUBSCRIPTION_BYTES;
    memory.fill(clock, 0, SUBSCRIPTION_BYTES);
    store<u32>(clock, CLOCK_SLOT);
    store<u8>(clock, TAG_CLOCK, 8);
    store<i32>(clock, CLOCK_MONOTONIC, 16);
    store<i64>(clock, deadlineNs, 24);
    store<u16>(clock, ABSTIME, 40);
  }

  private placeOf(slot: i32, tag: u8): usize {
    return this.places + ((<usize>slot) << 3) + ((<usize>(tag - TAG_FD_READ)) << 2);
  }

  private change(fd: i32, slot: i32, generation: u32, tag: u8, wanted: bool): void {
    const subscribed = load<i32>(this.placeOf(slot, tag)) != NONE;
    if (wanted == subscribed) return;
    if (wanted) this.subscribe(fd, slot, generation, tag);
    else this.unsubscribe(slot, tag);
  }

  private subscribe(fd: i32, slot: i32, generation: u32, tag: u8): void {
    // One more is kept for the clock.
    if (this.length + 1 == this.capacity) this.growSubscriptions(this.capacity * 2);
    const place = this.length++;
    const at = this.subscriptions + place * SUBSCRIPTION_BYTES;
    memory.fill(at, 0, SUBSCRIPTION_BYTES);
    store<i32>(at, slot);
    store<u32>(at, generation, 4);
    store<u8>(at, tag, 8);
    store<i32>(at, fd, 16);
    store<i32>(this.placeOf(slot, tag), place);
  }

  private unsubscribe(slot: i32, tag: u8): void {
    const place = load<i32>(this.placeOf(slot, tag));
    if (place == NONE) return;
    store<i32>(this.placeOf(slot, tag), NONE);
    const last = --this.length;
    if (place == last) return;
    const to = this.subscriptions + place * SUBSCRIPTION_BYTES;
    memory.copy(to, this.subscriptions + last * SUBSCRIPTION_BYTES, SUBSCRIPTION_BYTES);
    store<i32>(this.placeOf(load<i32>(to), load<u8>(to, 8)), place);
  }

  private growSubscriptions(capacity: i32): void {
    const old = this.subscriptions;
    this.subscriptions = heap.alloc(capacity * SUBSCRIPTION_BYTES);
    if (old != 0) {
      memory.copy(this.subscriptions, old, this.length * SUBSCRIPTION_BYTES);
      heap.free(old);
    }
    this.capacity = capacity;
  }

  private growEvents(): void {
    if (this.events != 0) heap.free(this.events);
    this.room = this.capacity;
    this.events = heap.alloc(this.room * EVENT_BYTES);
  }

  private growSlots(least: i32): void {
    const slots = max(least, this.slots * 2);
    const old = this.places;
    this.places = heap.alloc(slots << 3);
    memory.fill(this.places, 0xff, slots << 3);
    if (old != 0) {
      memory.copy(this.places, old, this.slots << 3);
      heap.free(old);
    }
    this.slots = slots;
  }
}
