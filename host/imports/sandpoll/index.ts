/** Module `sandpoll`, version 1: what Linux has and WASI lacks. */
import type { ImportRow } from '../call.js';
import { CHANNEL_ROWS } from './channel.js';
import { EPOLL_ROWS } from './epoll.js';
import { EVENT_ROWS } from './events.js';
import { MESSAGE_ROWS } from './message.js';
import { MMSG_ROWS } from './mmsg.js';
import { OPTION_ROWS } from './option.js';
import { SOCKET_ROWS } from './socket.js';
import { SUBMIT_ROWS } from './submit.js';
import { TIMER_ROWS } from './timer.js';

export const SANDPOLL_ROWS: readonly ImportRow[] = [
  ...EPOLL_ROWS,
  ...EVENT_ROWS,
  ...TIMER_ROWS,
  ...CHANNEL_ROWS,
  ...SOCKET_ROWS,
  ...MESSAGE_ROWS,
  ...MMSG_ROWS,
  ...SUBMIT_ROWS,
  ...OPTION_ROWS,
];
