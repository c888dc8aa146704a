/**
 * Reading what a guest's process says. It may be the guest's own words, if that broke out of its
 * sandbox: nothing is believed that has not the form it should have.
 */
import type { FromChild } from './wire.js';

type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is what a message needs in one place. */
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && value >= 0;
const isFlag: Check = (value) => typeof value === 'boolean';

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.some((v) => v === value);

/** An object whose fields pass their checks. */
const shaped =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isFields(value) && Object.entries(checks).every(([name, check]) => check(value[name]));

const isFrame = shaped({ name: isText, offset: isNumber, source: optional(isText) });

const OUTCOMES: readonly Check[] = [
  shaped({ kind: oneOf('exited'), code: isNumber }),
  shaped({ kind: oneOf('trapped'), message: isText, frames: listOf(isFrame) }),
  shaped({
    kind: oneOf('killed'),
    reason: oneOf('timeout', 'cpu', 'stopped'),
    rung: optional(oneOf('signal', 'wake', 'terminate', 'kill')),
  }),
];

const isSlot: Check = (value) =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber);

const isUsage = shaped({
  startedMs: isNumber,
  running: isFlag,
  cpuNs: isNumber,
  descriptors: isNumber,
  connections: isNumber,
  counted: optional(shaped({ slots: listOf(isSlot), waitingNs: isNumber })),
});

const MESSAGES: Readonly<Record<FromChild['kind'], Check>> = {
  connected: isFields,
  more: isFields,
  linked: isFields,
  ready: isFields,
  confined: shaped({ by: listOf(isText), without: listOf(isText) }),
  failed: shaped({ message: isText, code: optional(isText), problems: optional(listOf(isText)) }),
  report: shaped({ line: isText }),
  usage: shaped({ usage: isUsage }),
  ended: shaped({ outcome: (value) => OUTCOMES.some((check) => check(value)) }),
};

/** One message of a guest's process; throws a RangeError for anything else. */
export function readMessage(payload: Uint8Array): FromChild {
  let message: unknown;
  try {
    message = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    // Told below, with what is JSON and no message.
  }
  if (isFields(message) && typeof message['kind'] === 'string') {
    const { kind } = message;
    if (Object.hasOwn(MESSAGES, kind) && MESSAGES[kind as FromChild['kind']](message)) {
      return message as FromChild;
    }
  }
  throw new RangeError('it does not speak as the process of a guest does');
}
