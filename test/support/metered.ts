/** A guest run by the command with `--metrics`, and what it says there. */
import { setTimeout as pause } from 'node:timers/promises';

import { Client } from './client.js';
import { type Command, startCommand } from './command.js';
import { type ReadFamily, readExposition } from './exposition.js';

export interface Metered {
  readonly command: Command;
  /** Where the guest listens. */
  readonly port: number;
  /** Where its metrics are, with a slash at the end. */
  readonly url: string;
  readonly scrape: () => Promise<ReadonlyMap<string, ReadFamily>>;
}

/** Runs `body` with the command, which listens on a port of its own and is ended afterwards. */
export async function withMetered(
  args: readonly string[],
  body: (metered: Metered) => Promise<void>,
): Promise<void> {
  const own = ['--listen', '127.0.0.1:0', '--metrics', '127.0.0.1:0'];
  const verbs = ['run', 'serve'].includes(args[0]) ? args.slice(0, 1) : [];
  const command = startCommand([...verbs, ...own, ...args.slice(verbs.length)]);
  try {
    const [, url] = await command.said(/metrics on (http:\/\/\S+\/)/);
    const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
    const scrape = async () => readExposition(await (await fetch(`${url}metrics`)).text());
    await body({ command, port: Number(port), url, scrape });
  } finally {
    command.child.kill('SIGKILL');
    await command.ended;
  }
}

/** A connection to an echo guest that is never silent for long, until it is stopped. */
export async function keepBusy(port: number): Promise<{ stop: () => Promise<void> }> {
  const client = await Client.connect(port);
  const state = { stopped: false };
  const traffic = (async () => {
    while (!state.stopped) {
      await client.exchange('x'.repeat(100));
      // Whoever looks at it needs the processor as well.
      await pause(2);
    }
  })();
  return {
    stop: async () => {
      state.stopped = true;
      await traffic;
      client.close();
    },
  };
}
