/**
 * The arguments of `sandpoll run`: options stand before the file; everything after it belongs to
 * the guest. Node's own `parseArgs` reads them: a guest should not wait for a larger parser.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';

import { TRACE_GROUPS } from '../trace-groups.js';
import { usageError } from '../usage.js';
import type { RunFlags } from './options.js';

const OPTIONS = {
  listen: { type: 'string', multiple: true, default: [] },
  'allow-net': { type: 'string', multiple: true, default: [] },
  'deny-net': { type: 'string', multiple: true, default: [] },
  'allow-resolve': { type: 'string', multiple: true, default: [] },
  'allow-fastopen': { type: 'boolean', default: false },
  env: { type: 'string', multiple: true, default: [] },
  timeout: { type: 'string' },
  grace: { type: 'string' },
  'max-memory': { type: 'string' },
  'max-fds': { type: 'string' },
  trace: { type: 'string' },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'V', default: false },
} as const satisfies ParseArgsConfig['options'];

/** Options whose value may be left out (`--allow-net`), and what they mean then. */
const BARE: ReadonlyMap<string, string> = new Map([
  ['--allow-net', '*'],
  ['--allow-resolve', '*'],
  ['--trace', TRACE_GROUPS.join()],
]);

export interface RunArguments {
  readonly flags: RunFlags;
  readonly file: string;
  /** The guest's own. */
  readonly args: readonly string[];
}

/** Whether an argument is an option whose value is the next one. */
function takesNext(argument: string): boolean {
  const name = argument.replace(/^--/, '');
  return name in OPTIONS && OPTIONS[name as keyof typeof OPTIONS].type === 'string';
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
    return parseArgs({ args: options, options: OPTIONS, strict: true }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [, option] = /'(-[^' ]*)/.exec(message) ?? [];
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
    const why = unknown ? 'there is no such option' : 'it does not take a value that way';
    throw usageError(`${option ?? options.join(' ')}: ${why}; see sandpoll --help`);
  }
}

/** Reads the arguments after `run`: what to run, or what to print; throws a `UsageError`. */
export function parseRunArguments(argv: readonly string[]): RunArguments | 'help' | 'version' {
  const { options, fileAt } = split(argv);
  const values = parse(options);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const file = argv[fileAt];
  if (file === undefined) throw usageError('name the .wasm file to run; see sandpoll --help');
  const { timeout, grace, 'max-memory': maxMemory, 'max-fds': maxFds, trace } = values;
  return {
    flags: {
      listen: values.listen,
      allowNet: values['allow-net'],
      denyNet: values['deny-net'],
      allowResolve: values['allow-resolve'],
      allowFastopen: values['allow-fastopen'],
      env: values.env,
      quiet: values.quiet,
      ...(timeout === undefined ? {} : { timeout }),
      ...(grace === undefined ? {} : { grace }),
      ...(maxMemory === undefined ? {} : { maxMemory }),
      ...(maxFds === undefined ? {} : { maxFds }),
      ...(trace === undefined ? {} : { trace }),
    },
    file,
    args: argv.slice(fileAt + 1),
  };
}
