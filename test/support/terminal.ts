/** A terminal of a test's own, by `script(1)` of util-linux. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** Whether this machine can make one. */
export const HAS_TERMINALS = spawnSync('script', ['--version']).status === 0;

export interface Terminal {
  /** Its path, `/dev/pts/4`. */
  readonly path: string;
  /** Types into it. */
  readonly type: (text: string) => void;
  /** Waits until it shows what `pattern` describes; it shows what is typed, too. */
  readonly shows: (pattern: RegExp) => Promise<RegExpExecArray>;
}

/** Settles when the terminal has shown what `pattern` describes; rejects if it goes before. */
function shown(child: ChildProcess, text: () => string, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(text());
      if (match === null) return;
      child.stdout?.off('data', look);
      resolve(match);
    };
    child.stdout?.on('data', look);
    child.once('close', () => reject(new Error(`the terminal shows only ${text()}`)));
    look();
  });
}

/** Runs `body` with a terminal in which `command` runs, and hangs it up. */
export async function withTerminal(
  command: string,
  body: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const child = spawn('script', ['-qfec', `tty; ${command}`, '/dev/null'], { stdio: 'pipe' });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const closed = new Promise((resolve) => {
    child.once('close', resolve);
  });
  const shows = (pattern: RegExp): Promise<RegExpExecArray> => shown(child, () => text, pattern);
  try {
    const [, path] = await shows(/(\/dev\/pts\/\d+)\r\n/);
    await body({ path, type: (typed) => child.stdin.write(typed), shows });
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}
