/** What the command says on standard error: as text for people, or as JSON, a line an object. */
import { type Output, neutral } from '../output.js';
import { usageError } from '../usage.js';
import { writeLine } from './stderr.js';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export const LOG_FORMATS = ['text', 'json'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface LogOptions {
  readonly format: LogFormat;
  /** What is less important is not said. What guests print is, always. */
  readonly level: LogLevel;
}

/** What is known of a line besides its words. */
export interface About {
  /** `info` unless said. */
  readonly level?: LogLevel;
  /** The instance that it is about. */
  readonly guest?: string;
  /** Lines that belong to it: frames of a stack. */
  readonly stack?: readonly string[];
  /** For who reads JSON only: the line says it in words. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

/** A process has one standard error, and so one way to write to it. */
let options: LogOptions = { format: 'text', level: 'info' };

export function configureLog(configured: LogOptions): void {
  options = configured;
}

/** Every value is escaped: what is decoded must be harmless to a terminal as well (B98). */
function jsonLine(line: string, { level = 'info', guest, stack, fields }: About): string {
  const words = line.replace(/^sandpoll: /, '');
  const named = guest !== undefined && words.startsWith(guest);
  const message = named ? words.slice(guest.length).replace(/^:? /, '') : words;
  return JSON.stringify({
    time: new Date().toISOString(),
    level,
    ...(guest === undefined ? {} : { guest: neutral(guest) }),
    message: neutral(message),
    ...(stack === undefined ? {} : { stack: stack.map(neutral) }),
    ...fields,
  });
}

/** A line, and those that belong to it: each by itself. */
function textLines(line: string, { stack = [] }: About): string {
  return [line, ...stack.map((each) => `    ${each}`)].map(neutral).join('\n');
}

function format(line: string, about: About): string {
  return options.format === 'json' ? jsonLine(line, about) : textLines(line, about);
}

function droppedLine(lines: number): string {
  const words = `${lines} lines were left out: nobody read them`;
  return format(`sandpoll: ${words}`, { level: 'warn', fields: { droppedLines: lines } });
}

/** Says a line; of a guest's words in it, control characters do not pass. */
export function say(line: string, about: About = {}): void {
  const { level = 'info' } = about;
  if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return;
  writeLine(format(line, about), droppedLine);
}

/** Says what a guest has printed. */
export function sayOutput(output: Output): void {
  const { instance: guest, stream } = output;
  if (output.kind === 'dropped') {
    const { lines } = output;
    const what = `${lines} lines of ${stream} were left out`;
    say(`sandpoll: ${guest}: ${what}: it prints too many`, {
      level: 'warn',
      guest,
      fields: { stream, droppedLines: lines },
    });
    return;
  }
  const { text, cutBytes } = output;
  const cut = cutBytes === 0 ? '' : ` [${cutBytes} bytes more]`;
  const json = options.format === 'json';
  const fields = { stream, ...(cutBytes === 0 ? {} : { cutBytes }) };
  const about = { guest, fields };
  writeLine(format(json ? text : `${guest} ${stream}: ${text}${cut}`, about), droppedLine);
}

/** The options of every verb that runs guests, as they were written. */
export interface LogFlags {
  readonly logFormat?: string;
  readonly logLevel?: string;
  readonly quiet: boolean;
}

function oneOf<Name extends string>(names: readonly Name[], text: string, option: string): Name {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw usageError(`${option}=${text}: choose from ${names.join(', ')}`);
}

/** Reads them; `--quiet` is `--log-level=error`. */
export function readLogFlags({ logFormat, logLevel, quiet }: LogFlags): LogOptions {
  return {
    format: oneOf(LOG_FORMATS, logFormat ?? 'text', '--log-format'),
    level: oneOf(LOG_LEVELS, logLevel ?? (quiet ? 'error' : 'info'), '--log-level'),
  };
}
