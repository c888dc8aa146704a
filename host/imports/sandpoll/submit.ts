/** Module `sandpoll`: many sends and receives by one call. */
import { OP_RECV, OP_SEND, SUBMISSIONS_MAX, Submission } from '../../abi/submit.js';
import { Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { MSG_DONTWAIT } from '../socket/transfer.js';
import { receiveMessage, single, transmitMessage } from './message.js';

/** Words of an operation of the kernel port's `submit`. */
const WORDS = 4;

/** What `send(2)` or `recv(2)` would answer, never waiting: bytes, or minus a Linux errno. */
function carryOutOne(
  sandbox: Sandbox,
  opcode: number,
  fd: number,
  buf: number,
  len: number,
): number {
  if (opcode !== OP_RECV && opcode !== OP_SEND) return -LinuxErrno.INVAL;
  const count = single(sandbox, buf, len);
  if (count < 0) return count;
  return opcode === OP_SEND
    ? transmitMessage(sandbox, fd, count, MSG_DONTWAIT, false)
    : Math.min(receiveMessage(sandbox, fd, count, MSG_DONTWAIT, false), len);
}

/** One instance's submissions: they are read from the guest once, and judged before they go. */
class Submitter {
  readonly #sandbox: Sandbox;
  readonly #operations = new Uint32Array(WORDS * SUBMISSIONS_MAX);

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Carries out `count` submissions at `at`, which fit the memory, in their order. */
  submit(at: number, count: number): void {
    const { memory, descriptors } = this.#sandbox;
    let waiting = 0;
    for (let i = 0; i < count; i++) {
      const { view } = memory;
      const from = at + i * Submission.SIZE;
      const opcode = Submission.opcode.get(view, from);
      const fd = Submission.fd.get(view, from);
      const buf = Submission.buf.get(view, from);
      const len = Submission.len.get(view, from);
      const plain = opcode === OP_RECV || opcode === OP_SEND;
      const handle = plain && memory.fits(buf, len) ? descriptors.eager(fd, Kind.STREAM) : -1;
      if (handle < 0) {
        this.#carryOut(at, i, waiting);
        waiting = 0;
        this.#tell(from, carryOutOne(this.#sandbox, opcode, fd, buf, len));
      } else {
        const to = WORDS * waiting++;
        this.#operations[to] = handle;
        this.#operations[to + 1] = opcode === OP_SEND ? 1 : 0;
        this.#operations[to + 2] = buf;
        this.#operations[to + 3] = len;
      }
    }
    this.#carryOut(at, count, waiting);
  }

  /** Has the kernel carry out the `waiting` operations before submission `end`. */
  #carryOut(at: number, end: number, waiting: number): void {
    if (waiting === 0) return;
    const { kernel, memory } = this.#sandbox;
    const operations = this.#operations;
    const failed = kernel.submit(memory.span, operations, waiting);
    const first = at + (end - waiting) * Submission.SIZE;
    for (let i = 0; i < waiting; i++) {
      const result = failed < 0 ? failed : operations[WORDS * i] | 0;
      this.#tell(first + i * Submission.SIZE, result);
    }
  }

  #tell(at: number, result: number): void {
    const told = result < 0 ? -wasiErrno(result) : result;
    Submission.result.set(this.#sandbox.memory.view, at, told);
  }
}

/**
 * Carries out `nsubmissions` operations in their order, each as if called by itself on a
 * non-blocking descriptor: `OP_SEND` is `send(2)` and `OP_RECV` is `recv(2)`, without flags. One
 * that fails keeps none from its turn: each `result` is a number of bytes, or minus a WASI errno,
 * EINVAL for any other opcode. The call itself fails, and nothing is done, with EINVAL for more
 * than `SUBMISSIONS_MAX`, and with EFAULT if they lie outside memory.
 */
const submitRow = imported('submit', { submissions: 'ptr', nsubmissions: 'size' }, (sandbox) => {
  const submitter = new Submitter(sandbox);
  return (submissions: number, nsubmissions: number) => {
    const at = submissions >>> 0;
    const count = nsubmissions >>> 0;
    if (count > SUBMISSIONS_MAX) return Errno.INVAL;
    if (!sandbox.memory.fits(at, count * Submission.SIZE)) return Errno.FAULT;
    submitter.submit(at, count);
    return Errno.SUCCESS;
  };
});

export const SUBMIT_ROWS: readonly ImportRow[] = [submitRow];
