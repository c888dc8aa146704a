/** What `--trace=` selects by: groups of calls. */
export const TRACE_GROUPS = ['sock', 'epoll', 'poll', 'fs', 'clock', 'process'] as const;

export type TraceGroup = (typeof TRACE_GROUPS)[number];
