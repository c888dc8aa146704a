/**
 * The arguments of `sandpoll run`: options stand before the file; everything after it belongs to
 * the guest. Node's own `parseArgs` reads them: a guest should not wait for a larger parser.
 */
import { existsSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';

import { TRACE_GROUPS } from '../trace-groups.js';
import { usageError } from '../usage.js';
import type { RunFlags } from './options.js';
import type { ServeFlags } from './serve-options.js';

export const OPTIONS = {
  dir: { type: 'string', multiple: true, default: [] },
  listen: { type: 'string', multiple: true, default: [] },
  'allow-net': { type: 'string', multiple: true, default: [] },
  'deny-net': { type: 'string', multiple: true, default: [] },
  'allow-resolve': { type: 'string', multiple: true, default: [] },
  'allow-fastopen': { type: 'boolean', default: false },
  env: { type: 'string', multiple: true, default: [] },
  stdin: { type: 'string' },
  stdout: { type: 'string' },
  stderr: { type: 'string' },
  isolate: { type: 'string', default: 'thread' },
  workers: { type: 'string' },
  share: { type: 'string' },
  timeout: { type: 'string' },
  grace: { type: 'string' },
  'max-memory': { type: 'string' },
  'max-fds': { type: 'string' },
  'max-threads': { type: 'string' },
  'max-connections': { type: 'string' },
  'max-cpu': { type: 'string' },
  'max-buffered': { type: 'string' },
  trace: { type: 'string' },
  metrics: { type: 'string' },
  'capture-output': { type: 'boolean', default: false },
  'log-format': { type: 'string' },
  'log-level': { type: 'string' },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'V', default: false },
} as const satisfies ParseArgsConfig['options'];

/** What `sandpoll serve` has besides. */
const SERVE_OPTIONS = {
  restart: { type: 'string' },
  'restart-limit': { type: 'string' },
  'ready-timeout': { type: 'string' },
  probe: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

const ALL_OPTIONS = { ...OPTIONS, ...SERVE_OPTIONS };

/** Options whose value may be left out (`--allow-net`), and what they mean then. */
export const BARE: ReadonlyMap<string, string> = new Map([
  ['--allow-net', '*'],
  ['--allow-resolve', '*'],
  ['--trace', TRACE_GROUPS.join()],
]);

export interface RunArguments {
  readonly flags: RunFlags;
  readonly serve: ServeFlags;
  readonly file: string;
  /** The guest's own. */
  readonly args: readonly string[];
}

/** Whether an argument is an option whose value is the next one. */
function takesNext(argument: string): boolean {
  const name = argument.replace(/^--/, '');
  return name in ALL_OPTIONS && ALL_OPTIONS[name as keyof typeof ALL_OPTIONS].type === 'string';
}

/** The options before the file, bare ones written out, and where the file stands. */
function split(argv: readonly string[]): { options: string[]; fileAt: number } {
  const options: string[] = [];
  let at = 0;
  while (argv[at]?.startsWith('-') && argv[at] !== '-') {
    const argument = argv[at++];
    if (argument === '--') break;
    const bare = BARE.get(argument);
    if (bare !== undefined) options.push(`${argument}=${bare}`);
    else if (!takesNext(argument)) options.push(argument);
    else if (at < argv.length) options.push(`${argument}=${argv[at++]}`);
    else throw usageError(`${argument}: its value is missing; see sandpoll --help`);
  }
  return { options, fileAt: at };
}

function parse(options: string[]) {
  try {
    return parseArgs({ args: options, options: ALL_OPTIONS, strict: true }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, option] = /'(-[^' ]*)/.exec(message) ?? [];
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
    const why = unknown ? 'there is no such option' : 'it does not take a value that way';
    throw usageError(`${option ?? options.join(' ')}: ${why}; see sandpoll --help`);
  }
}

/** The options that only `serve` has; a `UsageError` for one of them where another verb stands. */
function serveFlags(values: ReturnType<typeof parse>, verb: 'run' | 'serve'): ServeFlags {
  const given = Object.keys(SERVE_OPTIONS).filter((name) => name in values);
  if (verb === 'run' && given.length > 0) {
    throw usageError(`--${given[0]}: only sandpoll serve has it; see sandpoll --help`);
  }
  const { restart, 'restart-limit': restartLimit, 'ready-timeout': readyTimeout, probe } = values;
  return {
    ...(restart === undefined ? {} : { restart }),
    ...(restartLimit === undefined ? {} : { restartLimit }),
    ...(readyTimeout === undefined ? {} : { readyTimeout }),
    ...(probe === undefined ? {} : { probe }),
  };
}

/** `--allow-net RULE`: such an option takes its value only after `=`, and the rule is no file. */
function refuseValueAfterBare(option: string | undefined, file: string): void {
  if (option === undefined || !BARE.has(option) || file.endsWith('.wasm') || existsSync(file))
    return;
  throw usageError(
    `${option} ${file}: there is no such file; if it is the value, write ${option}=${file}`,
  );
}

/** Reads the arguments after the verb: what to run, or what to print; throws a `UsageError`. */
export function parseRunArguments(
  argv: readonly string[],
  verb: 'run' | 'serve' = 'run',
): RunArguments | 'help' | 'version' {
  const { options, fileAt } = split(argv);
  const values = parse(options);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const file = argv[fileAt];
  if (file === undefined) throw usageError('name the .wasm file to run; see sandpoll --help');
  refuseValueAfterBare(argv[fileAt - 1], file);
  const {
    timeout,
    grace,
    'max-memory': maxMemory,
    'max-fds': maxFds,
    'max-threads': maxThreads,
    trace,
  } = values;
  const { stdin, stdout, stderr } = values;
  const { metrics, 'log-format': logFormat, 'log-level': logLevel } = values;
  const {
    workers,
    share,
    'max-connections': maxConnections,
    'max-cpu': maxCpu,
    'max-buffered': maxBuffered,
  } = values;
  return {
    flags: {
      dir: values.dir,
      listen: values.listen,
      allowNet: values['allow-net'],
      denyNet: values['deny-net'],
      allowResolve: values['allow-resolve'],
      allowFastopen: values['allow-fastopen'],
      env: values.env,
      quiet: values.quiet,
      isolate: values.isolate,
      captureOutput: values['capture-output'],
      ...(stdin === undefined ? {} : { stdin }),
      ...(stdout === undefined ? {} : { stdout }),
      ...(stderr === undefined ? {} : { stderr }),
      ...(metrics === undefined ? {} : { metrics }),
      ...(logFormat === undefined ? {} : { logFormat }),
      ...(logLevel === undefined ? {} : { logLevel }),
      ...(workers === undefined ? {} : { workers }),
      ...(share === undefined ? {} : { share }),
      ...(timeout === undefined ? {} : { timeout }),
      ...(grace === undefined ? {} : { grace }),
      ...(maxMemory === undefined ? {} : { maxMemory }),
      ...(maxFds === undefined ? {} : { maxFds }),
      ...(maxThreads === undefined ? {} : { maxThreads }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
      ...(maxCpu === undefined ? {} : { maxCpu }),
      ...(maxBuffered === undefined ? {} : { maxBuffered }),
      ...(trace === undefined ? {} : { trace }),
    },
    serve: serveFlags(values, verb),
    file,
    args: argv.slice(fileAt + 1),
  };
}
