import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { program, source } from './workloads.js';
import { BenchError } from './processes.js';

const FLAGS = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror'];

const programs: Readonly<Record<string, readonly string[]>> = {
  pin: ['pin.c'],
  echo: ['echo.c'],
  http: ['http.c', 'request.c'],
  load: ['load.c', 'load_protocol.c', 'histogram.c'],
};

/** Compiles the C programs into test/bench/build/ with gcc. */
export const buildC = (): void => {
  mkdirSync(program(''), { recursive: true });
  for (const [name, sources] of Object.entries(programs)) {
    const result = spawnSync('gcc', [...FLAGS, '-o', program(name), ...sources.map(source)], {
      encoding: 'utf8',
    });
    if (result.error) {
      throw new BenchError(`the benchmark needs gcc: ${result.error.message}`);
    }
    if (result.status !== 0) {
      throw new BenchError(`gcc does not compile ${sources.join(' ')}:\n${result.stderr}`);
    }
  }
};
