/** What a guest in a process of its own starts with, opened here to be passed to it. */
import { takeChannelEnd } from '../channels.js';
import { checkDirs } from '../grants.js';
import type { Handle, Kernel, Session } from '../kernel/kernel.js';
import { type Listener, openListener, takeListener } from '../listeners.js';
import type { OpenOptions } from './descriptors.js';
import { openDirectory } from './directories.js';
import { STREAMS, type Streams } from './stdio.js';

/**
 * What is to be passed: the handles are the session's: directories, listeners, channels, streams.
 */
export interface Given {
  readonly session: Session;
  readonly handles: readonly Handle[];
  readonly listeners: readonly Listener[];
  readonly channels: readonly string[];
  readonly streams: Streams;
}

/** Opens it; throws a `UsageError` or a listener's error, and leaves nothing open then. */
export function openGiven(kernel: Kernel, options: OpenOptions): Given {
  const { dirs } = options.grants;
  checkDirs(dirs);
  const session = kernel.sessionOpen();
  const listeners: Listener[] = [];
  const handles: Handle[] = [];
  const channels = Object.entries(options.channels ?? {});
  const keep = (handle: Handle): void => {
    kernel.sessionAdopt(session, handle);
    handles.push(handle);
  };
  try {
    for (const dir of dirs) keep(openDirectory(kernel, dir));
    for (const address of options.listen ?? []) {
      const listener =
        'url' in address ? takeListener(kernel, address) : openListener(kernel, address);
      listeners.push(listener);
      keep(listener.handle);
    }
    for (const [name, end] of channels) keep(takeChannelEnd(name, end));
    for (const stream of options.streams ?? []) if (stream !== undefined) keep(stream.handle);
  } catch (error) {
    for (const listener of listeners) listener.remove();
    kernel.sessionClose(session);
    throw error;
  }
  return {
    session,
    handles,
    listeners,
    channels: channels.map(([name]) => name),
    streams: STREAMS.map((_name, fd) => options.streams?.[fd]),
  };
}
