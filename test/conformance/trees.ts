/** A directory for each case, beside the world of the conformance suite. */
import { afterEach, beforeEach } from 'vitest';

import { Tree } from '../support/tree.js';
import { everyKernel } from './world.js';

/** Describes how every kernel behaves; `tree` gives the directory of the case that runs. */
export function everyTree(what: string, cases: (tree: () => Tree) => void): void {
  everyKernel(what, (world) => {
    let current: Tree | undefined;
    beforeEach(() => {
      current = new Tree(world().kernel);
    });
    afterEach(() => current?.end());
    cases(() => current as Tree);
  });
}
