/** A TCP client that can be told exactly when to send, when to read and when to break off. */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

export class Client {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #length = 0;
  #ended = false;
  #error: NodeJS.ErrnoException | null = null;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** Connects to a port of 127.0.0.1; our end stays open when the peer ends its own. */
  static async connect(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new Client(socket);
  }

  /** How many bytes have arrived and were not taken. */
  get available(): number {
    return this.#length;
  }

  /** Whether the peer has ended its side, or the connection is broken. */
  get hasEnded(): boolean {
    return this.#ended || this.#error !== null;
  }

  /** Sends bytes; the promise is of their having been handed to the kernel. */
  async send(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Takes the next `length` bytes. */
  async take(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#error !== null) throw this.#error;
      if (this.#ended) throw new Error(`ended after ${this.#length} of ${length} bytes`);
      await this.#more();
    }
    const [first = Buffer.alloc(0), ...more] = this.#received;
    const all = more.length === 0 ? first : Buffer.concat(this.#received);
    this.#received = [all.subarray(length)];
    this.#length -= length;
    return all.subarray(0, length);
  }

  /** Takes all that comes until the peer ends its side, or breaks off. */
  async takeAll(): Promise<Buffer> {
    while (!this.hasEnded) await this.#more();
    return this.take(this.#length);
  }

  /** Sends bytes, and takes as many back. */
  async exchange(bytes: string): Promise<string> {
    await this.send(bytes);
    return (await this.take(Buffer.byteLength(bytes))).toString();
  }

  /** Ends our side. */
  end(): void {
    this.socket.end();
  }

  /** Closes at once. */
  close(): void {
    this.socket.destroy();
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}
