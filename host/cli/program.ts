/** The verbs of the command line, and what becomes of errors. */
import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';

import { parseRunArguments } from './arguments.js';
import { usageError } from '../usage.js';
import { say } from './log.js';
import { readRunFlags } from './options.js';
import { servesPipeline } from './files.js';
import { Status } from './report.js';
import { run } from './run.js';

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

async function pipelineVerb(args: readonly string[]): Promise<number> {
  const { parsePipelineArguments, runPipeline } = await import('./pipeline.js');
  return runPipeline(parsePipelineArguments(args));
}

function runVerb(argv: readonly string[], thread: Worker | undefined): Promise<number> {
  const parsed = parseRunArguments(argv);
  if (parsed === 'help') return helpVerb(true);
  if (parsed === 'version') return versionVerb();
  const { flags, file, args } = parsed;
  return run(file, readRunFlags(flags, [file, ...args], process.env), thread);
}

async function serveVerb(argv: readonly string[], thread: Worker | undefined): Promise<number> {
  if (servesPipeline(argv)) {
    void thread?.terminate();
    // What is said after it wins.
    return pipelineVerb(['--restart', 'permanent', ...argv]);
  }
  const parsed = parseRunArguments(argv, 'serve');
  if (parsed === 'help') return helpVerb(true);
  if (parsed === 'version') return versionVerb();
  const { flags, serve, file, args } = parsed;
  const [{ serveFile }, { readServeFlags }] = await Promise.all([
    import('./serve.js'),
    import('./serve-options.js'),
  ]);
  const options = {
    ...readRunFlags(flags, [file, ...args], process.env),
    ...readServeFlags(serve),
  };
  return serveFile(file, options, thread);
}

async function reloadVerb(args: readonly string[]): Promise<number> {
  const { reload } = await import('./reload.js');
  return reload(args);
}

async function topVerb(args: readonly string[]): Promise<number> {
  const { parseTopArguments, top } = await import('./top.js');
  return top(parseTopArguments(args));
}

/** The verbs for which no thread is started ahead (`main.cts`). */
const VERBS: ReadonlyMap<string, (args: readonly string[]) => Promise<number>> = new Map([
  ['inspect', inspectVerb],
  ['build', buildVerb],
  ['pipeline', pipelineVerb],
  ['top', topVerb],
  ['reload', reloadVerb],
]);

function dispatch(argv: readonly string[], thread: Worker | undefined): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined) return helpVerb(false);
  if (verb === 'help') return helpVerb(true);
  const other = VERBS.get(verb);
  if (other !== undefined) {
    return rest[0] === '--help' || rest[0] === '-h' ? helpVerb(true) : other(rest);
  }
  if (verb === 'serve') return serveVerb(rest, thread);
  return runVerb(verb === 'run' ? rest : argv, thread);
}

/** The status for an error before a guest ran; its sentence goes to stderr. */
function failed(error: unknown): number {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  // Without a code it is a fault of ours.
  const [, ...frames] = code === undefined ? (stack ?? '').split('\n') : [];
  const [first, ...others] = message.split('\n');
  say(`sandpoll: ${first}`, {
    level: 'error',
    ...(code === undefined ? { stack: frames.map((line) => line.trim()) } : { fields: { code } }),
  });
  for (const line of others) say(line, { level: 'error' });
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
