/** How a guest can end, as plain data that crosses from its thread to the supervisor. */

/** One frame of a guest's stack at a trap. */
export interface Frame {
  /** Name of the function, from the module's name section, or `wasm-function[12]`. */
  readonly name: string;
  /** Offset in the module in bytes; the column on line 1 of its source map. */
  readonly offset: number;
  /** `assembly/server.ts:12:5`, where a source map knows it. */
  readonly source?: string;
}

export type Outcome =
  /** It returned from `_start` (code 0) or called `proc_exit`. */
  | { readonly kind: 'exited'; readonly code: number }
  /** It trapped: a wasm trap, `env.abort`, or a fault of ours found at the boundary. */
  | { readonly kind: 'trapped'; readonly message: string; readonly frames: readonly Frame[] }
  /** It was stopped from outside: by whoever runs it, or by a limit of wall or CPU time. */
  | {
      readonly kind: 'killed';
      readonly reason: 'timeout' | 'cpu' | 'stopped';
      /** What it took, where that is known: of limits always. */
      readonly rung?: Rung;
    };

/**
 * The rungs of the ladder that ends a guest: it left by itself at a SIGTERM; it was in a wait,
 * which was ended; it was running, and V8 terminated it; its process was killed.
 */
export type Rung = 'signal' | 'wake' | 'terminate' | 'kill';

const FRAME = /^\s*at (?:(.*) \()?wasm:\/\/wasm\/[^)]*?:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;

/** The wasm frames of a JavaScript stack, innermost first; what is not wasm is left out. */
export function wasmFrames(stack: string): Frame[] {
  const frames: Frame[] = [];
  for (const line of stack.split('\n')) {
    const match = FRAME.exec(line);
    if (match === null) continue;
    const [, name, index, offset] = match;
    frames.push({
      // V8 writes `<module>.<function>` where the name section names both.
      name: name ?? `wasm-function[${index}]`,
      offset: Number.parseInt(offset, 16),
    });
  }
  return frames;
}

/** The outcome for whatever was thrown out of a guest. */
export function trapped(thrown: unknown): Outcome {
  if (thrown instanceof Error) {
    return { kind: 'trapped', message: thrown.message, frames: wasmFrames(thrown.stack ?? '') };
  }
  return { kind: 'trapped', message: 'the guest threw an exception of its own', frames: [] };
}
