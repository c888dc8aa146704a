/** New connections at a steady rate, each of which asks for one page; and what became of them. */
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const ANSWER = /^HTTP\/1\.1 200 OK\r\n[^]*Hello from inside the sandbox\.\n$/;
const TICK_MS = 10;
/** What a request may take before it counts as failed. */
const PATIENCE_MS = 10_000;

/** One request on a connection of its own: undefined, or why it failed. */
function ask(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answer = '';
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.once('connect', () => socket.write(REQUEST));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
    socket.once('error', ({ message }) => resolve(message));
    socket.once('close', () => resolve(ANSWER.test(answer) ? undefined : `answered '${answer}'`));
  });
}

export class Load {
  /** Why each request failed that did. */
  readonly failures: string[] = [];
  /** How many there were until now. */
  sent = 0;
  #answered = 0;
  #goesOn = true;
  readonly #port: number;
  readonly #underWay = new Set<Promise<void>>();
  readonly #running: Promise<void>;

  /** Begins to send `perSecond` requests a second to a port of 127.0.0.1. */
  constructor(port: number, perSecond: number) {
    this.#port = port;
    this.#running = this.#run(perSecond);
  }

  /** Waits until `count` more requests were answered. */
  async answered(count: number): Promise<void> {
    const until = this.#answered + count;
    while (this.#answered < until) await setTimeout(TICK_MS);
  }

  /** Sends no more, and waits for the answers. */
  async stop(): Promise<void> {
    this.#goesOn = false;
    await this.#running;
    await Promise.all(this.#underWay);
  }

  async #run(perSecond: number): Promise<void> {
    const from = performance.now();
    while (this.#goesOn) {
      // What a late tick has missed is made up for: the rate is kept.
      const due = ((performance.now() - from) / 1000) * perSecond;
      for (; this.sent < due; this.sent++) this.#send();
      await setTimeout(TICK_MS);
    }
  }

  #send(): void {
    const request = ask(this.#port).then((failure) => {
      if (failure !== undefined) this.failures.push(failure);
      this.#answered++;
      return undefined;
    });
    this.#underWay.add(request);
    void request.finally(() => this.#underWay.delete(request));
  }
}
