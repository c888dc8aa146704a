/** A sandbox in the test's own thread, over whatever kernel: imports are called as functions. */
import { GuestMemory } from '#host/abi/memory.js';
import { DescriptorTable, descriptorTableBytes } from '#host/descriptors.js';
import { DEFAULT_LIMITS, type Grants, NO_GRANTS } from '#host/grants.js';
import type { Kernel, Session } from '#host/kernel/kernel.js';
import { findRow } from '#host/link.js';
import { Sandbox } from '#host/sandbox.js';

const FDS = 64;

export interface InThread {
  readonly sandbox: Sandbox;
  readonly memory: GuestMemory;
  /** Calls an import of the module by name, with as many parameters as are given. */
  readonly call: (module: string, name: string, ...words: (number | bigint)[]) => number;
  /** Closes all that the guest has open. */
  readonly close: () => void;
}

/** A guest that is no module: 2 MiB of memory, no stdio, and this thread in its session. */
export function inThread(kernel: Kernel, grants: Partial<Grants> = {}): InThread {
  const session: Session = kernel.sessionOpen();
  kernel.sessionEnter(session);
  const sandbox = new Sandbox({
    kernel,
    descriptors: new DescriptorTable(new SharedArrayBuffer(descriptorTableBytes(FDS)), FDS),
    grants: { ...NO_GRANTS, ...grants, limits: { ...DEFAULT_LIMITS, fds: FDS } },
    end: (outcome) => {
      throw new Error(`the guest was ended: ${JSON.stringify(outcome)}`);
    },
    report: () => {},
  });
  sandbox.attachMemory(new WebAssembly.Memory({ initial: 32 }));
  const bodies = new Map<string, (...words: (number | bigint)[]) => number>();
  return {
    sandbox,
    memory: sandbox.memory,
    call: (module, name, ...words) => {
      const key = `${module}.${name}/${words.length}`;
      let body = bodies.get(key);
      if (body === undefined) {
        const row = findRow(module, name, words.length);
        if (row === undefined) throw new Error(`there is no ${key}`);
        body = row.bind(sandbox) as (...words: (number | bigint)[]) => number;
        bodies.set(key, body);
      }
      return body(...words);
    },
    close: () => {
      kernel.sessionClose(session);
    },
  };
}
