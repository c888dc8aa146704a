/** Sandpoll's public surface: run sandboxed guests on real Linux epoll from a Node program. */
export { type ListenAddress, type SocketAddress, type Transport, parseListen } from './address.js';
export { type ChannelEnd, createChannel } from './channels.js';
export {
  DEFAULT_LIMITS,
  type DirGrant,
  type Grants,
  type Limits,
  NO_GRANTS,
  type NetGrants,
  type NetRule,
  parseDir,
  parseNetRule,
} from './grants.js';
export {
  type Guest,
  type GuestOptions,
  ISOLATIONS,
  type Isolation,
  type StopOptions,
  startGuest,
} from './guest.js';
export { type GuestModule, loadModule } from './guest/module.js';
export type { OutputTarget, StdinSource, Stdio, StreamFile } from './guest/stdio.js';
export type { GuestUsage } from './guest/usage.js';
export type { Group, Member } from './group.js';
export { type SharedListener, shareListener } from './listeners.js';
export type { MetricsServer } from './metrics/server.js';
export {
  type MetricsSource,
  type WatchedMember,
  groupSource,
  serviceSource,
} from './metrics/source.js';
export { startMetrics } from './metrics/start.js';
export type { Output, OutputStream } from './output.js';
export {
  INSTANCES_MAX,
  type Pipeline,
  type PipelineChannel,
  type PipelineRole,
} from './pipeline/plan.js';
export {
  type PipelineListeners,
  type PipelineOptions,
  openPipelineListeners,
  startPipeline,
} from './pipeline/start.js';
export {
  type PipelineEvent,
  type PipelineService,
  type ServePipelineOptions,
  servePipeline,
} from './serve/pipeline.js';
export { DEFAULT_RESTARTS, type RestartKind, type RestartPolicy } from './serve/restarts.js';
export { type ServeOptions, serve } from './serve/serve.js';
export type {
  MemberPhase,
  MemberState,
  Service,
  ServiceEvent,
  ServiceState,
} from './serve/service.js';
export type { GuestSignal } from './signals.js';
export { KEPT_MAX, keepThreads } from './guest/thread.js';
export { TRACE_GROUPS, type TraceGroup } from './trace-groups.js';
export { LinkError } from './link-error.js';
export { mapFrames } from './source-map.js';
export type { Frame, Outcome, Rung } from './trap.js';
export type { UsageError } from './usage.js';
export { ModuleError } from './wasm/bytes.js';
export { type Share, type WorkersOptions, startWorkers } from './workers.js';
