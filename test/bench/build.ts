import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { BenchError } from './processes.js';
import { HOST, program, source } from './servers.js';

const FLAGS = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** Those that run in as many threads, besides the one that runs once. */
const threaded: Readonly<Record<string, string>> = { 'echo-2': 'echo', 'http-2': 'http' };

const programs: Readonly<Record<string, readonly string[]>> = {
  pin: ['pin.c'],
  echo: ['echo.c'],
  'echo-poll': ['echo-poll.c'],
  http: ['http.c', 'request.c'],
  udp: ['udp.c'],
  proxy: ['proxy.c'],
  files: ['files.c', 'files_linux.c'],
  meter: ['meter.c'],
  pipeline: ['pipeline.c', 'pipeline_work.c'],
  handover: ['handover.c'],
  load: [
    'load.c',
    'load_options.c',
    'load_closed.c',
    'load_paced.c',
    'load_protocol.c',
    'pipeline_work.c',
    'histogram.c',
  ],
};

/** Those that are guests too. */
const guests: Readonly<Record<string, readonly string[]>> = {
  echo: ['echo.c'],
  http: ['http.c', 'request.c'],
  udp: ['udp.c'],
  proxy: ['proxy.c'],
  files: ['files.c', 'files_wasi.c'],
};

const run = (command: string, args: readonly string[], sources: readonly string[]): void => {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.error) throw new BenchError(`the benchmark needs gcc: ${result.error.message}`);
  if (result.status !== 0) {
    throw new BenchError(`${command} does not compile ${sources.join(' ')}:\n${result.stderr}`);
  }
};

/** Whether there is a clang that compiles C programs into guests. */
export const findClang = (): boolean => spawnSync('clang-19', ['--version']).status === 0;

/** Compiles the C programs into test/bench/build/, with gcc and, where `clang`, into guests. */
export const buildC = (clang: boolean): void => {
  mkdirSync(program(''), { recursive: true });
  for (const [name, sources] of Object.entries(programs)) {
    run('gcc', [...FLAGS, '-o', program(name), ...sources.map(source)], sources);
  }
  for (const [name, once] of Object.entries(threaded)) {
    const sources = programs[once] ?? [];
    run('gcc', [...FLAGS, '-DTHREADS=2', '-o', program(name), ...sources.map(source)], sources);
  }
  for (const [name, files] of clang ? Object.entries(guests) : []) {
    const sources = files.map(source);
    run(process.execPath, [HOST, 'build', ...sources, '-o', program(`${name}.wasm`)], sources);
  }
};
