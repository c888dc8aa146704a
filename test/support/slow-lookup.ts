/**
 * Names that the system's resolver never finds. glibc looks a name without dots up in the file
 * that HOSTALIASES names (`hostname(7)`) before it asks a server: here a FIFO, so that the
 * resolver waits in open(2), and then in read(2), for a writer that never writes.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

export const SLOW_NAME = 'sandpoll-never-found';

const PATIENCE_MS = 10_000;

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

/** The FIFO, which this process and those it starts have as HOSTALIASES until it is closed. */
export class SlowLookup {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sandpoll-test-'));
  readonly path = join(this.#folder, 'aliases');
  #writer = -1;

  constructor() {
    const { status } = spawnSync('mkfifo', [this.path]);
    if (status !== 0) throw new Error('there is no mkfifo');
    process.env['HOSTALIASES'] = this.path;
  }

  /** Waits until a look-up waits in the FIFO: true; false if `over` says that none will. */
  async underWay(over: () => boolean = () => false): Promise<boolean> {
    for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline;) {
      try {
        // Fails until there is a reader. From then on it stays open, and the reader waits.
        this.#writer = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
        return true;
      } catch (error) {
        if (!isErrno(error, 'ENXIO')) throw error;
      }
      if (over()) return false;
      await setImmediate();
    }
    throw new Error('no look-up came');
  }

  /** Whether anybody waits still, and will. */
  stillUnderWay(): boolean {
    try {
      // An empty line is no alias: whoever reads it waits for the next.
      return writeSync(this.#writer, '\n') === 1;
    } catch (error) {
      if (isErrno(error, 'EPIPE')) return false;
      throw error;
    }
  }

  /** Leaves the FIFO open to whoever waits: at its end, they would ask a server. */
  close(): void {
    delete process.env['HOSTALIASES'];
    rmSync(this.#folder, { recursive: true });
    if (this.#writer >= 0 && !this.stillUnderWay()) closeSync(this.#writer);
  }
}

/** Whether this machine's resolver is one that waits so: it is not with musl, or without DNS. */
export async function lookupsCanBeSlow(): Promise<boolean> {
  const slow = new SlowLookup();
  const child = spawn('getent', ['ahosts', SLOW_NAME], { stdio: 'ignore' });
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const settle = (): void => {
      over = true;
      resolve();
    };
    child.once('error', settle);
    child.once('close', settle);
  });
  const canBe = await slow.underWay(() => over);
  child.kill();
  await ended;
  slow.close();
  return canBe;
}
