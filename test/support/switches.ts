/** How often the threads of a process have gone to sleep: what it was woken for (`proc(5)`). */
import { readFileSync, readdirSync } from 'node:fs';

/** Voluntary context switches of each thread but the main one, by its id. */
export function switchesOf(pid: number): ReadonlyMap<string, number> {
  const threads = readdirSync(`/proc/${pid}/task`).filter((thread) => thread !== String(pid));
  return new Map(
    threads.map((thread) => {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      return [thread, Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1])];
    }),
  );
}
