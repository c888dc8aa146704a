/** Names and types of a module as text for people. */
import type { FunctionType } from './types.js';

/** Longer names are cut: they are the guest's to choose, up to 100 kB. */
const NAME_CHARACTERS_MAX = 120;

/**
 * A guest's name made safe for a terminal or a log: control characters, and those that change
 * the direction of text, are written as escapes, and the end of a very long one is left off.
 */
export function printable(name: string): string {
  return escapeControls(
    name.length > NAME_CHARACTERS_MAX ? `${name.slice(0, NAME_CHARACTERS_MAX)}…` : name,
  );
}

/** Text of a guest's choosing as one line that does nothing to a terminal (B98). */
export function escapeControls(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
  });
}

/** A function's type, as in `(i32, i64) -> i32`. */
export function signatureText({ params, results }: FunctionType): string {
  const result = results.length === 1 ? results[0] : `(${results.join(', ')})`;
  return `(${params.join(', ')})${results.length === 0 ? '' : ` -> ${result}`}`;
}

const MIB = 1024 * 1024;

/** A size as `--max-memory` takes it. */
export function sizeText(bytes: number): string {
  return bytes % MIB === 0 && bytes > 0 ? `${bytes / MIB}MiB` : `${bytes / 1024}KiB`;
}
