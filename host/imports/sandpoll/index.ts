/** Module `sandpoll`, version 1: what Linux has and WASI lacks. */
import type { ImportRow } from '../call.js';
import { EPOLL_ROWS } from './epoll.js';
import { EVENT_ROWS } from './events.js';

export const SANDPOLL_ROWS: readonly ImportRow[] = [...EPOLL_ROWS, ...EVENT_ROWS];
