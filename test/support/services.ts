/** Services in this process, told by their events. */
import { NO_GRANTS, parseListen } from '#host/index.js';
import { type ServeOptions, serve } from '#host/serve/serve.js';
import type { Service, ServiceEvent } from '#host/serve/service.js';

type Kind = ServiceEvent['kind'];
type EventOf<K extends Kind> = Extract<ServiceEvent, { kind: K }>;

export interface Watched {
  readonly service: Service;
  readonly events: readonly ServiceEvent[];
  /** The port of its first listener. */
  readonly port: number;
  /** Waits for the `count`th event of a kind, which may have been already. */
  readonly saw: <K extends Kind>(kind: K, count?: number) => Promise<EventOf<K>>;
}

/** Starts a service with one listener on the loopback, unless `options` say else. */
export async function startService(
  options: Pick<ServeOptions, 'module'> & Partial<ServeOptions>,
): Promise<Watched> {
  const events: ServiceEvent[] = [];
  const heard = new Set<() => void>();
  const service = await serve({
    name: 'guest.wasm',
    grants: NO_GRANTS,
    listen: [parseListen('127.0.0.1:0')],
    ...options,
    onEvent: (event) => {
      events.push(event);
      for (const hear of heard) hear();
    },
  });
  const saw = <K extends Kind>(kind: K, count = 1): Promise<EventOf<K>> =>
    new Promise((resolve, reject) => {
      const hear = (): void => {
        const found = events.filter((each): each is EventOf<K> => each.kind === kind);
        if (found.length < count) return;
        heard.delete(hear);
        resolve(found[count - 1]);
      };
      heard.add(hear);
      hear();
      void service.ended.finally(() => {
        hear();
        const kinds = events.map((each) => each.kind).join(', ');
        reject(new Error(`it ended without '${kind}' ${count}; there were ${kinds}`));
      });
    });
  const url = service.listeners[0]?.url ?? '';
  return { service, events, port: Number(/\d+$/.exec(url)?.[0]), saw };
}

/** Runs `body` with a service, and stops it. */
export async function withService(
  options: Parameters<typeof startService>[0],
  body: (watched: Watched) => Promise<void>,
): Promise<void> {
  const watched = await startService(options);
  try {
    await body(watched);
  } finally {
    await watched.service.stop({ graceMs: 0 });
  }
}
