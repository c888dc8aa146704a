import { readFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import type { Cores } from './processes.js';

/** The first two cores that this process may use: one for the server, one for the load. */
export const chooseCores = (): Cores => {
  const status = readFileSync('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? '';
  const cores = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (cores.length >= 2) return { server: cores[0], load: cores[1] };
  process.stderr.write('there is only one core: latencies mean little on it\n');
  return { server: undefined, load: undefined };
};

/** Server and load on all of the cores that there are for them. */
export const together = (cores: Cores): Cores => {
  const both = Object.values(cores).every((core) => core !== undefined)
    ? `${cores.server},${cores.load}`
    : undefined;
  return { server: both, load: both };
};

/** The machine and what runs where, in a line. */
export const describeMachine = (cores: Cores): string => {
  const load = loadavg()[0]?.toFixed(2);
  const pins = `server on core ${cores.server ?? 'any'}, load on core ${cores.load ?? 'any'}`;
  const cpu = cpus()[0]?.model ?? 'unknown CPU';
  return `Node ${process.versions.node}, Linux ${release()}, ${cpu}, load ${load}; ${pins}\n`;
};
