/** Sandpoll's public surface: run sandboxed guests on real Linux epoll from a Node program. */
export { type ListenAddress, type SocketAddress, type Transport, parseListen } from './address.js';
export { type ChannelEnd, createChannel } from './channels.js';
export {
  DEFAULT_LIMITS,
  type Grants,
  type Limits,
  NO_GRANTS,
  type NetGrants,
  type NetRule,
  parseNetRule,
} from './grants.js';
export { type Guest, type GuestOptions, type StopOptions, startGuest } from './guest.js';
export { type GuestModule, loadModule } from './guest/module.js';
export { type SharedListener, shareListener } from './listeners.js';
export type { GuestSignal } from './signals.js';
export { TRACE_GROUPS, type TraceGroup } from './trace-groups.js';
export { LinkError } from './link-error.js';
export { mapFrames } from './source-map.js';
export type { Frame, Outcome } from './trap.js';
export type { UsageError } from './usage.js';
export { ModuleError } from './wasm/bytes.js';
