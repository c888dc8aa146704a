/** Wrong usage, and the quantities an option takes: sizes and durations carry a unit. */

/** An error of the user or embedder; the command line ends with status 2 on its `code`. */
export interface UsageError extends Error {
  readonly code: 'ERR_SANDPOLL_USAGE';
}

/** Makes a `UsageError`; `sentence` names the option and shows a right form. */
export function usageError(sentence: string): UsageError {
  return Object.assign(new Error(sentence), { code: 'ERR_SANDPOLL_USAGE' as const });
}

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
  ['KIB', 1024],
  ['MIB', 1024 ** 2],
  ['GIB', 1024 ** 3],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['US', 1 / 1000],
  ['MS', 1],
  ['S', 1000],
  ['M', 60_000],
  ['H', 3_600_000],
]);

/** The longest duration in milliseconds (24.8 days): beyond it a timer would fire at once. */
export const DURATION_MAX_MS = 2 ** 31 - 1;

interface Quantity {
  readonly option: string;
  readonly text: string;
  readonly units: ReadonlyMap<string, number>;
  readonly example: string;
}

function parseQuantity({ option, text, units, example }: Quantity): number {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text);
  const wrong = (reason: string): UsageError =>
    usageError(`${option} ${text}: ${reason}; write it as in ${option} ${example}`);
  if (match === null) throw wrong('not a number with a unit');
  const [, digits, unit] = match;
  if (unit === '') throw wrong('the unit is missing');
  const scale = units.get(unit.toUpperCase());
  if (scale === undefined) throw wrong(`'${unit}' is not a unit that this option knows`);
  return Number(digits) * scale;
}

function checkRange(option: string, text: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw usageError(`${option} ${text}: must be from ${min} to ${max}`);
}

/**
 * Bytes of a size with its unit: `B`, `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB`
 * (powers of 1024), in any case. A bare number is a `UsageError`, and so is a size out of
 * `minBytes` to `maxBytes`.
 */
export function parseSize(
  text: string,
  option: string,
  minBytes = 0,
  maxBytes: number = Number.MAX_SAFE_INTEGER,
): number {
  const bytes = parseQuantity({ option, text, units: SIZE_UNITS, example: '64MiB' });
  if (!Number.isInteger(bytes)) throw usageError(`${option} ${text}: not a whole number of bytes`);
  checkRange(option, text, bytes, minBytes, maxBytes);
  return bytes;
}

/**
 * Milliseconds, perhaps fractional, of a duration with its unit: `us`, `ms`, `s`, `m`, `h`.
 * A bare number is a `UsageError`, and so is more than `DURATION_MAX_MS`.
 */
export function parseDuration(text: string, option: string): number {
  const durationMs = parseQuantity({ option, text, units: DURATION_UNITS, example: '2s' });
  if (durationMs <= DURATION_MAX_MS) return durationMs;
  throw usageError(`${option} ${text}: longer than 24 days; write it as in ${option} 2s`);
}

/** A whole number from `min` to `max`, in decimal digits; anything else is a `UsageError`. */
export function parseCount(text: string, option: string, min = 1, max = 2 ** 31 - 1): number {
  if (!/^\d+$/.test(text)) {
    throw usageError(`${option} ${text}: not a whole number; write it as in ${option} 100`);
  }
  const count = Number(text);
  checkRange(option, text, count, min, max);
  return count;
}
