/** How a row is shown: in the terminal and on the page alike. */
import type { Row } from './rates.js';

export interface Column {
  readonly title: string;
  readonly text: (row: Row) => string;
}

/** `-` for what is not known; else three digits or so, and a unit: `12.3k`, `4.0M`. */
function scaled(value: number, units: readonly string[], step: number): string {
  if (!Number.isFinite(value)) return '-';
  let rest = value;
  let unit = 0;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const digits = rest < 10 && (unit > 0 || !Number.isInteger(rest)) ? 1 : 0;
  return `${rest.toFixed(digits)}${units[unit]}`;
}

export function countText(value: number): string {
  return scaled(value, ['', 'k', 'M', 'G'], 1000);
}

export function bytesText(value: number): string {
  return scaled(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
}

export function shareText(share: number): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%` : '-';
}

export const COLUMNS: readonly Column[] = [
  { title: 'GUEST', text: ({ guest }) => guest },
  { title: 'STATE', text: ({ isUp }) => (isUp ? 'up' : 'down') },
  { title: 'CALLS/S', text: ({ callsPerS }) => countText(callsPerS) },
  { title: 'EV/WAIT', text: ({ eventsPerWait }) => countText(eventsPerWait) },
  { title: 'WAITING', text: ({ waitShare }) => shareText(waitShare) },
  { title: 'CONNS', text: ({ connections }) => countText(connections) },
  { title: 'IN/S', text: ({ receivedBytesPerS }) => bytesText(receivedBytesPerS) },
  { title: 'OUT/S', text: ({ sentBytesPerS }) => bytesText(sentBytesPerS) },
  { title: 'MEMORY', text: ({ memoryBytes }) => bytesText(memoryBytes) },
  { title: 'CPU', text: ({ cpuShare }) => shareText(cpuShare) },
  { title: 'RESTARTS', text: ({ restarts }) => countText(restarts) },
];
