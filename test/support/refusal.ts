/** What the command refuses, by the functions that it is made of: without a process. */
import { Status } from '#host/cli/report.js';

export interface Refusal {
  /** The status that the command ends with. */
  readonly status: number;
  /** What it says after its name. */
  readonly sentence: string;
}

/**
 * The refusal that `begin` throws. That the command makes this of what is thrown has a process of
 * its own, once for each verb, in `test/cli`.
 */
export async function refusalOf(begin: () => unknown): Promise<Refusal> {
  try {
    await begin();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Without a code it is no refusal, but a fault.
    if (code === undefined) throw error;
    const status = code === 'ERR_SANDPOLL_USAGE' ? Status.USAGE : Status.LOAD_FAILED;
    return { status, sentence: message };
  }
  throw new Error('it was not refused');
}
