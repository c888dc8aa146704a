/** Where in its source a guest trapped: byte offsets of wasm frames through a source map. */
import type { Frame } from './trap.js';

/**
 * Frames with their source positions, as far as the map knows them. `mapText` is the JSON of a
 * `.wasm.map`, whose columns on line 1 are byte offsets.
 */
export async function mapFrames(frames: readonly Frame[], mapText: string): Promise<Frame[]> {
  // Loaded at a trap only: most guests never need it.
  const { TraceMap, originalPositionFor } = await import('@jridgewell/trace-mapping');
  const map = new TraceMap(mapText);
  return frames.map((frame) => {
    const position = originalPositionFor(map, { line: 1, column: frame.offset });
    if (position.source === null) return frame;
    return { ...frame, source: `${position.source}:${position.line}:${position.column + 1}` };
  });
}
