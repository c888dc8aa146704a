/** Several driver guests, each joined to the first by a channel. */
import { type ChannelEnd, createChannel } from '#host/index.js';

import { leakedSince, openDescriptors } from './descriptors.js';
import { type Driven, type DrivenOptions, type Local, startDriven } from './driven.js';
import { receive, send } from './events.js';

/** The first channel of any guest: what comes before is stdio and its listener. */
const CHANNEL = 4;

export class Star {
  readonly locals: readonly Local[];

  constructor(locals: readonly Local[]) {
    this.locals = locals;
  }

  /** The guest in the middle. */
  get first(): Driven {
    return this.locals[0].driven;
  }

  /** All others. */
  get others(): readonly Driven[] {
    return this.locals.slice(1).map(({ driven }) => driven);
  }

  /** Hands a descriptor of the first guest to the other of this index: its number there. */
  async pass(fd: number, index: number): Promise<number> {
    const errno = await send(this.first, CHANNEL + index, 'it', fd);
    if (errno !== 0) throw new Error(`channel_send failed with ${errno}`);
    const received = await receive(this.others[index], CHANNEL);
    if (typeof received === 'number') throw new Error(`channel_recv failed with ${-received}`);
    return received.passed;
  }
}

/** A star that runs, and how to end it. */
export interface StartedStar {
  readonly star: Star;
  /** Ends all guests, wherever they are; rejects if something is left open then. */
  readonly end: () => Promise<void>;
}

/** Starts a guest and `count` others. */
export async function startStar(count: number, options: DrivenOptions = {}): Promise<StartedStar> {
  const before = openDescriptors();
  const ours: Record<string, ChannelEnd> = {};
  const theirs: ChannelEnd[] = [];
  for (let index = 0; index < count; index++) {
    const [near, far] = createChannel();
    ours[`OTHER_${index}`] = near;
    theirs.push(far);
  }
  const locals = [await startDriven({ ...options, channels: ours })];
  for (const end of theirs)
    locals.push(await startDriven({ ...options, channels: { FIRST: end } }));
  const end = async (): Promise<void> => {
    await Promise.all(locals.map(async ({ guest }) => guest.stop()));
    await Promise.all(locals.map(async ({ driven }) => driven.end()));
    const leaked = await leakedSince(before);
    if (leaked.length > 0) throw new Error(`left open: ${leaked.join(', ')}`);
  };
  return { star: new Star(locals), end };
}
