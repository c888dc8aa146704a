/** The verbs of the command line, and what becomes of errors. */
import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';

import { parseRunArguments } from './arguments.js';
import { usageError } from '../usage.js';
import { readRunFlags } from './options.js';
import { Status, run } from './run.js';

function versionVerb(): Promise<number> {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  process.stdout.write(`${version}\n`);
  return Promise.resolve(0);
}

async function inspectVerb(args: readonly string[]): Promise<number> {
  const [file, ...more] = args;
  if (file === undefined || more.length > 0) {
    throw usageError('name one file: sandpoll inspect guest.wasm');
  }
  // Loaded here: a guest that runs does not wait for it.
  const { inspect } = await import('./inspect.js');
  process.stdout.write(inspect(file));
  return 0;
}

async function buildVerb(args: readonly string[]): Promise<number> {
  const { build, parseBuildArguments } = await import('./build.js');
  return build(parseBuildArguments(args), process.env);
}

async function helpVerb(asked: boolean): Promise<number> {
  const { HELP } = await import('./help.js');
  (asked ? process.stdout : process.stderr).write(HELP);
  return asked ? 0 : Status.USAGE;
}

function runVerb(argv: readonly string[], thread: Worker | undefined): Promise<number> {
  const parsed = parseRunArguments(argv);
  if (parsed === 'help') return helpVerb(true);
  if (parsed === 'version') return versionVerb();
  const { flags, file, args } = parsed;
  return run(file, readRunFlags(flags, [file, ...args], process.env), thread);
}

function dispatch(argv: readonly string[], thread: Worker | undefined): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined) return helpVerb(false);
  if (verb === 'help') return helpVerb(true);
  if (verb === 'inspect' || verb === 'build') {
    if (rest[0] === '--help' || rest[0] === '-h') return helpVerb(true);
    return verb === 'inspect' ? inspectVerb(rest) : buildVerb(rest);
  }
  return runVerb(verb === 'run' ? rest : argv, thread);
}

/** The status for an error before a guest ran; its sentence goes to stderr. */
function failed(error: unknown): number {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  process.stderr.write(`sandpoll: ${code === undefined ? stack : message}\n`);
  return code === 'ERR_SANDPOLL_USAGE' ? Status.USAGE : Status.LOAD_FAILED;
}

/** Carries out the command line; `thread` is one started ahead. Ends the process. */
export async function main(argv: readonly string[], thread: Worker | undefined): Promise<never> {
  let status;
  try {
    status = await dispatch(argv, thread);
  } catch (error) {
    status = failed(error);
  }
  // By hand: a guest's thread or a signal handler must not keep the process alive.
  return process.exit(status);
}
