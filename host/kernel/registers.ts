import type { Kernel, Result } from './kernel.js';

/** What the addon shares with each thread that loads it: `struct Registers` of `native/bind.h`. */
const NUMBERS = 8;
const ANSWER_AT = 64;

/** The calls that are made for every message or event. */
type HotCalls = Pick<
  Kernel,
  'recv' | 'send' | 'submit' | 'epollPwait' | 'epollPwait2' | 'read' | 'write' | 'memcmp'
>;

/** The same as the addon exports them: the numbers lie in the registers, and so does the answer. */
export type RegisteredCalls = Readonly<Record<keyof HotCalls, (...objects: unknown[]) => void>>;

/** A number as it is. What is none is no number in the registers either, and answered `-EINVAL`. */
const checked = (value: unknown): number => (typeof value === 'number' ? value : NaN);

/**
 * The hot calls of the port over those of the addon. Node-API asks V8 for each argument of a call
 * by itself, and that costs more than the rest of the crossing: so numbers cross in memory, as a
 * system call's do in registers. Only objects are arguments.
 */
export function hotCalls(registers: ArrayBuffer, calls: RegisteredCalls): HotCalls {
  const numbers = new Float64Array(registers, 0, NUMBERS);
  const answer = new Int32Array(registers, ANSWER_AT, 1);
  const { recv, send, submit, epollPwait, epollPwait2, read, write, memcmp } = calls;
  const load = (a: unknown, b?: unknown, c?: unknown, d?: unknown, e?: unknown): void => {
    numbers[0] = checked(a);
    numbers[1] = checked(b);
    numbers[2] = checked(c);
    numbers[3] = checked(d);
    numbers[4] = checked(e);
  };
  return {
    recv(handle, bytes, offset, length, flags): Result {
      load(handle, offset, length, flags);
      recv(bytes);
      return answer[0];
    },
    send(handle, bytes, offset, length, flags): Result {
      load(handle, offset, length, flags);
      send(bytes);
      return answer[0];
    },
    submit(bytes, operations, count): Result {
      load(count);
      submit(bytes, operations);
      return answer[0];
    },
    epollPwait(epoll, bytes, offset, maxevents, timeoutMs): Result {
      load(epoll, offset, maxevents, timeoutMs);
      epollPwait(bytes);
      return answer[0];
    },
    epollPwait2(epoll, bytes, offset, maxevents, seconds, nanoseconds): Result {
      load(epoll, offset, maxevents, seconds, nanoseconds);
      epollPwait2(bytes);
      return answer[0];
    },
    read(handle, bytes, offset, length): Result {
      load(handle, offset, length);
      read(bytes);
      return answer[0];
    },
    write(handle, bytes, offset, length): Result {
      load(handle, offset, length);
      write(bytes);
      return answer[0];
    },
    memcmp(one, offset, other, otherOffset, length): Result {
      load(offset, otherOffset, length);
      memcmp(one, other);
      return answer[0];
    },
  };
}
