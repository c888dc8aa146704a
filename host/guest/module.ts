/** From a file's bytes to a module that any number of guests can be instances of. */
import type { Grants } from '../grants.js';
import { type Admission, admit } from '../wasm/admit.js';
import { ModuleError } from '../wasm/bytes.js';
import { commandProblems } from '../wasm/command.js';
import { type AdmissionLimits, DEFAULT_ADMISSION_LIMITS } from '../wasm/limits.js';
import type { AdmittedInfo } from '../wasm/admit.js';

/** A module that was admitted and compiled. It is never changed, and crosses to any thread. */
export interface GuestModule {
  /** What messages call it, as a rule its file name. */
  readonly name: string;
  /** As they were given: a process of a guest's own compiles them again. */
  readonly bytes: Uint8Array;
  readonly module: WebAssembly.Module;
  readonly info: AdmittedInfo;
  /** By how many bytes admission moved its code: offsets of frames are less by that much. */
  readonly codeShift: number;
}

function admissionLimits({ limits }: Pick<Grants, 'limits'>): AdmissionLimits {
  const { memoryBytes, moduleBytes, tableElements } = limits;
  return { ...DEFAULT_ADMISSION_LIMITS, memoryBytes, moduleBytes, tableEntries: tableElements };
}

/**
 * Admits a module within the limits of `grants`. Throws `ModuleError` for bytes that are not an
 * acceptable module, or that no guest can run: a command exports `_start`.
 */
export function admitModule(
  bytes: Uint8Array,
  name: string,
  grants: Pick<Grants, 'limits'>,
): Admission {
  const admitted = admit(bytes, admissionLimits(grants), name);
  const [problem] = commandProblems(admitted.info);
  if (problem !== undefined) throw new ModuleError('ERR_SANDPOLL_NO_COMMAND', `${name} ${problem}`);
  return admitted;
}

/** Compiles what was admitted of `given`; `ModuleError` if the engine finds it invalid. */
export async function compileModule(
  admitted: Admission,
  given: Uint8Array,
  name: string,
): Promise<GuestModule> {
  const { bytes, info, codeShift } = admitted;
  try {
    const module = await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
    return { name, bytes: given, module, info, codeShift };
  } catch (error) {
    const { message } = error as Error;
    throw new ModuleError('ERR_SANDPOLL_MALFORMED', `${name} is not a valid module: ${message}`);
  }
}

/**
 * Admits and compiles a module, for many guests of one. Its memories and tables get the limits of
 * `grants`, which all the guests should have. Rejects with `ModuleError`.
 */
export async function loadModule(
  bytes: Uint8Array,
  name: string,
  grants: Pick<Grants, 'limits'>,
): Promise<GuestModule> {
  return compileModule(admitModule(bytes, name, grants), bytes, name);
}
