import { parseArgs } from 'node:util';
import { BenchError } from './processes.js';

/** What the command line asks for. */
export interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly help: boolean;
  readonly plot: boolean;
  /** Names of workloads and servers; empty means all. */
  readonly only: readonly string[];
}

export const USAGE = `npm run bench -- [--quick] [--json] [--plot] [--only NAME[,NAME...]]...

  --only NAME  only this workload or server; may be given several times; "curve" is all its points
  --quick      few and short rounds: for a first look, not for a report
  --json       the rows as JSON on stdout, nothing else there
  --plot       draw the curve that was measured: test/bench/plots/epoll-curve.svg
`;

/** How much is measured. */
export interface Plan {
  readonly rounds: number;
  /** For each point of the curve. */
  readonly curveRounds: number;
  /** How often an unsteady measurement is made at most. */
  readonly attempts: number;
  /** Once for each server, so that its code is compiled as far as it ever will be. */
  readonly heatMs: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly starts: number;
  /** Starts of each server to measure the memory of idle connections. */
  readonly idleStarts: number;
}

export const FULL: Plan = {
  rounds: 7,
  curveRounds: 4,
  attempts: 4,
  heatMs: 1_500,
  warmupMs: 100,
  durationMs: 500,
  starts: 9,
  idleStarts: 3,
};

export const QUICK: Plan = {
  rounds: 3,
  curveRounds: 2,
  attempts: 2,
  heatMs: 800,
  warmupMs: 60,
  durationMs: 250,
  starts: 5,
  idleStarts: 1,
};

/** A wrong command line is an error whose message says what is wrong. */
export const parseOptions = (args: readonly string[]): Options => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        plot: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    const only = values.only.flatMap((names) => names.split(','));
    return { ...values, only };
  } catch (error) {
    throw new BenchError((error as Error).message, { cause: error });
  }
};
