import { parseArgs } from 'node:util';
import { BenchError } from './processes.js';

/** What the command line asks for. */
export interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly help: boolean;
  /** Names of workloads and servers; empty means all. */
  readonly only: readonly string[];
}

export const USAGE = `npm run bench -- [--quick] [--json] [--only NAME[,NAME...]]...

  --only NAME  only this workload or server; may be given several times
  --quick      few and short rounds: for a first look, not for a report
  --json       the rows as JSON on stdout, nothing else there
`;

/** How much is measured. */
export interface Plan {
  readonly rounds: number;
  /** How often an unsteady measurement is made at most. */
  readonly attempts: number;
  /** Once for each server, so that its code is compiled as far as it ever will be. */
  readonly heatMs: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly starts: number;
}

export const FULL: Plan = {
  rounds: 7,
  attempts: 4,
  heatMs: 1_500,
  warmupMs: 100,
  durationMs: 500,
  starts: 9,
};

export const QUICK: Plan = {
  rounds: 3,
  attempts: 2,
  heatMs: 800,
  warmupMs: 60,
  durationMs: 250,
  starts: 5,
};

/** A wrong command line is an error whose message says what is wrong. */
export const parseOptions = (args: readonly string[]): Options => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    const only = values.only.flatMap((names) => names.split(','));
    return { json: values.json, quick: values.quick, help: values.help, only };
  } catch (error) {
    throw new BenchError((error as Error).message, { cause: error });
  }
};
