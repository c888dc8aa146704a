/** What the unit tests of the guest library check with: a failure is a line, and the status 1. */

import { exit, print, printError } from 'sandpoll/guest';

let checks = 0;
let failures = 0;

/** Notes whether something holds that must hold. */
export function check(holds: bool, sentence: string): void {
  checks += 1;
  if (holds) return;
  failures += 1;
  printError('failed: ' + sentence + '\n');
}

/** Notes whether two numbers are the same. */
export function checkSame(actual: i64, expected: i64, sentence: string): void {
  check(actual == expected, sentence + ': ' + actual.toString() + ' for ' + expected.toString());
}

/** Notes whether two texts are the same. */
export function checkText(actual: string, expected: string, sentence: string): void {
  check(actual == expected, sentence + ': ' + actual + ' for ' + expected);
}

/** Ends the guest: 0 if there were checks and all of them held. */
export function finish(): void {
  print(checks.toString() + ' checks\n');
  exit(i32(failures != 0 || checks == 0));
}

/** Numbers that look random and are the same in every run: xorshift. */
export class Dice {
  private state: u32 = 2463534242;

  /** A number from 0 to below `sides`. */
  below(sides: i32): i32 {
    this.state ^= this.state << 13;
    this.state ^= this.state >> 17;
    this.state ^= this.state << 5;
    return <i32>(this.state % <u32>sides);
  }
}
