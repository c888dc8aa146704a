/** The command line: `sandpoll [run] [options] guest.wasm [arguments of the guest…]`. */
import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';

import { Command, CommanderError } from 'commander';

import { TRACE_GROUPS } from '../imports/trace.js';
import { type RunFlags, readRunFlags } from './options.js';
import { Status, run } from './run.js';

const collect = (text: string, all: string[]): string[] => [...all, text];

/** Options whose value may be left out, and what they mean then. */
const BARE: ReadonlyMap<string, string> = new Map([
  ['--allow-net', '*'],
  ['--trace', TRACE_GROUPS.join()],
]);

/**
 * Writes out bare `--allow-net` and `--trace` before the file, so that they never take the file
 * for their value.
 */
function writeOutBare(argv: readonly string[], command: Command): string[] {
  const valued = command.options.filter((option) => option.required).map((option) => option.long);
  const written = [...argv];
  for (let at = written[0] === 'run' ? 1 : 0; written[at]?.startsWith('-'); at++) {
    const bare = BARE.get(written[at]);
    if (bare !== undefined) written[at] += `=${bare}`;
    else if (valued.includes(written[at])) at++;
  }
  return written;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

const RUN_HELP = `
Rules are [tcp:|udp:]HOST|CIDR|*[:PORT[-PORT][,…]][/in|/out] or unix:PATH; deny wins.
Addresses are 8080, :8080, 127.0.0.1:8080, [::1]:8080, udp://…, unix:/path; port 0 picks one.
Sizes and durations carry a unit: 64MiB, 2s.

Exit status: the guest's own; 134 after a trap, 124 after --timeout, 130 or 143 after SIGINT or
SIGTERM, 2 for wrong usage, 1 for a module that cannot be loaded or a listener that cannot be
opened.`;

function build(thread: Worker | undefined, finish: (status: number) => void): Command {
  const program = new Command('sandpoll')
    .description('Runs sandboxed WebAssembly guests on real Linux epoll.')
    .version(version(), '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ showGlobalOptions: false });
  program
    .command('run', { isDefault: true })
    .description('run a guest as a command (the default)')
    .passThroughOptions()
    .argument('<file>', 'the .wasm file')
    .argument('[args...]', "the guest's own arguments")
    .option('--listen <[name=]addr>', 'open a listener for the guest', collect, [])
    .option('--allow-net <rule>', 'let the guest make sockets (--allow-net[=rule])', collect, [])
    .option('--deny-net <rule>', 'refuse what --allow-net would allow', collect, [])
    .option('--env <name[=value]>', 'give the guest an environment variable', collect, [])
    .option('--timeout <duration>', 'kill the guest after this long')
    .option('--max-memory <size>', 'the most memory the guest can have (1GiB)')
    .option('--max-fds <n>', 'the most descriptors the guest can open (1024)')
    .option('--trace <groups>', 'print each call as strace does (--trace[=groups])')
    .option('--quiet', 'print nothing but errors')
    .addHelpText('after', RUN_HELP)
    .exitOverride()
    .action(async (file: string, args: string[], flags: RunFlags) => {
      finish(await run(file, readRunFlags(flags, [file, ...args], process.env), thread));
    });
  program
    .command('inspect')
    .description('show what a module imports, and the flags it will need')
    .argument('<file>', 'the .wasm file')
    .exitOverride()
    .action(async (file: string) => {
      // Loaded here: a guest that runs does not wait for it.
      const { inspect } = await import('./inspect.js');
      process.stdout.write(inspect(file));
      finish(0);
    });
  return program;
}

/** The status for an error before a guest ran; its sentence goes to stderr. */
function failed(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has written its message, and help and version are no errors.
    return error.exitCode === 0 ? 0 : Status.USAGE;
  }
  const { code, message, stack } = error as NodeJS.ErrnoException;
  process.stderr.write(`sandpoll: ${code === undefined ? stack : message}\n`);
  return code === 'ERR_SANDPOLL_USAGE' ? Status.USAGE : Status.LOAD_FAILED;
}

/** Carries out the command line; `thread` is one started ahead. Ends the process. */
export async function main(argv: readonly string[], thread: Worker | undefined): Promise<never> {
  // The status is set by hand: a guest's thread or a signal handler must not keep us alive.
  try {
    const program = build(thread, (status) => process.exit(status));
    const run = program.commands[0];
    await program.parseAsync(writeOutBare(argv, run), { from: 'user' });
  } catch (error) {
    process.exit(failed(error));
  }
  return process.exit();
}
