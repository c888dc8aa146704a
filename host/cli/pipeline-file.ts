/** The file of a pipeline: TOML, in which a role's keys are the options of `sandpoll run`. */
import { dirname, resolve } from 'node:path';

import { ParseError, getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';

import { STREAMS } from '../guest/stdio.js';
import {
  type Pipeline,
  type PipelineChannel,
  type PipelineRole,
  type Problem,
  pipelineProblems,
} from '../pipeline/plan.js';
import { usageError } from '../usage.js';
import { BARE, OPTIONS, parseRunArguments } from './arguments.js';
import { readModuleFile } from './files.js';
import { nearest } from './nearest.js';
import { readRunFlags } from './options.js';
import { type Path, locate } from './toml-lines.js';

type Table = Readonly<Record<string, unknown>>;

/** Options of `sandpoll run` that are those of the whole pipeline. */
const FOR_ALL = ['grace', 'quiet', 'metrics', 'capture-output', 'log-format', 'log-level'];

/** Options of `sandpoll run` that no role may have, and what to do instead. */
const NOT_FOR_ROLES: ReadonlyMap<string, string> = new Map([
  ...FOR_ALL.map((name): [string, string] => {
    return [name, `it is one for the whole pipeline: give --${name} to sandpoll pipeline`];
  }),
  ...STREAMS.map((name): [string, string] => [name, 'redirect those of sandpoll pipeline']),
  ['workers', 'write instances = N'],
  ['share', 'the instances of a role share each listener'],
]);

const OWN_KEYS = ['name', 'module', 'instances', 'args', 'probe'];
const NO_ROLE_HAS = new Set([...NOT_FOR_ROLES.keys(), 'help', 'version']);
const ROLE_OPTIONS = Object.keys(OPTIONS).filter((name) => !NO_ROLE_HAS.has(name));
const ROLE_KEYS = [...OWN_KEYS, ...ROLE_OPTIONS];
const CHANNEL_KEYS = ['from', 'to'];

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

/** One reading of a file: what is found wrong on the way. */
interface Reading {
  readonly file: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly problems: Problem[];
}

/** The problems of `keys` that a table has and nothing knows. */
function unknownKeys(table: Table, at: Path, known: readonly string[]): Problem[] {
  return Object.keys(table)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const instead = NOT_FOR_ROLES.get(key);
      if (at[0] === 'role' && instead !== undefined) {
        return { at: [...at, key], sentence: `${key}: a role may not have it; ${instead}` };
      }
      const like = nearest(key, known);
      const advice = like === undefined ? `the keys are ${known.join(', ')}` : `write ${like}?`;
      return { at: [...at, key], sentence: `there is no key '${key}' here; ${advice}` };
    });
}

/** The options of a command line that a key stands for; undefined if its type is wrong. */
function argumentsOf(key: string, value: unknown): readonly string[] | undefined {
  const { type, multiple } = {
    multiple: false,
    ...OPTIONS[key as keyof typeof OPTIONS],
  };
  if (typeof value === 'boolean') {
    if (type !== 'boolean' && !BARE.has(`--${key}`)) return undefined;
    return value ? [`--${key}`] : [];
  }
  if (type === 'boolean') return undefined;
  if (isText(value)) return [`--${key}=${value}`];
  if (Number.isInteger(value)) return multiple ? undefined : [`--${key}=${String(value)}`];
  return multiple && isTexts(value) ? value.map((each) => `--${key}=${each}`) : undefined;
}

/** What a key of that option has to be. */
function formOf(key: string): string {
  const { type, multiple } = { multiple: false, ...OPTIONS[key as keyof typeof OPTIONS] };
  if (type === 'boolean') return 'true or false';
  const bare = BARE.has(`--${key}`) ? ', or true' : '';
  return (multiple ? 'a text or a list of texts' : 'a text or a whole number') + bare;
}

/** The sentence of an error, which is the user's; any other is thrown on. */
function sentenceOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return message;
}

/**
 * Reads what stands in a role as on a command line, each key also by itself for its line.
 * Directories are looked for beside the file.
 */
function readOptions(table: Table, at: Path, args: readonly string[], reading: Reading) {
  const read = (options: readonly string[]) => {
    const parsed = parseRunArguments([...options, '--', ...args]);
    if (isText(parsed)) throw usageError(`${options.join(' ')}: not for a role`);
    return readRunFlags(parsed.flags, args, reading.environment);
  };
  const all: string[] = [];
  for (const key of Object.keys(table).filter((each) => ROLE_OPTIONS.includes(each))) {
    const wrong = (sentence: string): void => {
      reading.problems.push({ at: [...at, key], sentence });
    };
    const options = argumentsOf(key, table[key]);
    if (options === undefined) {
      wrong(`${key} must be ${formOf(key)}`);
      continue;
    }
    try {
      read(options);
      all.push(...options);
    } catch (error) {
      wrong(sentenceOf(error));
    }
  }
  const options = read(all);
  const dirs = options.grants.dirs.map((dir) => {
    return { ...dir, host: resolve(dirname(reading.file), dir.host) };
  });
  return { ...options, grants: { ...options.grants, dirs } };
}

/** The bytes of a role's module, beside the file. */
function readModule(module: string, at: Path, reading: Reading): Uint8Array {
  try {
    return readModuleFile(resolve(dirname(reading.file), module));
  } catch (error) {
    reading.problems.push({ at: [...at, 'module'], sentence: sentenceOf(error) });
    return new Uint8Array();
  }
}

/** The text of a key that must be there; empty, and a problem, if it is not. */
function requiredText(table: Table, key: string, at: Path, reading: Reading): string {
  const value = table[key];
  if (isText(value)) return value;
  const missing = value === undefined;
  const sentence = missing ? `${key} is missing; write ${key} = "..."` : `${key} must be a text`;
  reading.problems.push({ at: missing ? at : [...at, key], sentence });
  return '';
}

function readRole(table: Table, at: Path, reading: Reading): PipelineRole {
  const { problems } = reading;
  problems.push(...unknownKeys(table, at, ROLE_KEYS));
  const name = requiredText(table, 'name', at, reading);
  const module = requiredText(table, 'module', at, reading);
  const { args = [], instances = 1, probe } = table;
  if (!isTexts(args)) problems.push({ at: [...at, 'args'], sentence: 'args: a list of texts' });
  if (!Number.isInteger(instances)) {
    const sentence = 'instances must be a whole number, as in instances = 2';
    problems.push({ at: [...at, 'instances'], sentence });
  }
  if (probe !== undefined && !isText(probe)) {
    problems.push({ at: [...at, 'probe'], sentence: 'probe must be a text, as in "/health"' });
  }
  const own = [module, ...(isTexts(args) ? args : [])];
  const { grants, listen, isolate, trace, timeoutMs } = readOptions(table, at, own, reading);
  return {
    grants,
    listen,
    isolate,
    trace,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(isText(probe) ? { probePath: probe } : {}),
    name,
    file: resolve(dirname(reading.file), module),
    bytes: module === '' ? new Uint8Array() : readModule(module, at, reading),
    instances: Number(instances),
  };
}

function readChannel(table: Table, at: Path, reading: Reading): PipelineChannel {
  reading.problems.push(...unknownKeys(table, at, CHANNEL_KEYS));
  return {
    from: requiredText(table, 'from', at, reading),
    to: requiredText(table, 'to', at, reading),
  };
}

/** The tables of a list, `[[role]]`; none, and a problem, if it is anything else. */
function tablesOf(data: Table, list: string, { problems }: Reading): readonly Table[] {
  const value = data[list] ?? [];
  if (Array.isArray(value) && value.every(isTable)) return value;
  problems.push({ at: [list], sentence: `${list} is a list of tables: write [[${list}]]` });
  return [];
}

/** `file:line: sentence`, in the order of the lines. */
function fileError(file: string, problems: readonly Problem[], lineOf: (path: Path) => number) {
  const lines = problems
    .map(({ at, sentence }) => ({ line: lineOf(at), sentence }))
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, sentence }) => `${file}:${line}: ${sentence}`);
  return usageError(lines.join('\n'));
}

function parse(text: string, file: string) {
  try {
    return parseTOML(text);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    throw usageError(`${file}:${error.lineNumber}: not TOML: ${error.message}`);
  }
}

/**
 * Reads a pipeline from the text of a TOML file, and the modules that it names relative to
 * `file`. A `UsageError` says all that is wrong, a line each: `pipeline.toml:7: sentence`.
 */
export function parsePipeline(
  text: string,
  file: string,
  environment: NodeJS.ProcessEnv = process.env,
): Pipeline {
  const program = parse(text, file);
  const lineOf = locate(program);
  const data: Table = getStaticTOMLValue(program);
  const reading: Reading = { file, environment, problems: [] };
  reading.problems.push(...unknownKeys(data, [], ['role', 'channel']));
  const pipeline = {
    roles: tablesOf(data, 'role', reading).map((table, index) =>
      readRole(table, ['role', index], reading),
    ),
    channels: tablesOf(data, 'channel', reading).map((table, index) =>
      readChannel(table, ['channel', index], reading),
    ),
  };
  if (reading.problems.length > 0) throw fileError(file, reading.problems, lineOf);
  const problems = pipelineProblems(pipeline);
  if (problems.length > 0) throw fileError(file, problems, lineOf);
  return pipeline;
}
