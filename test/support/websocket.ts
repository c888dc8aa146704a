/** A WebSocket client that can break every rule: it writes its frames byte by byte. */
import { createHash, randomBytes } from 'node:crypto';

import { Client } from './client.js';

export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Bytes of a frame from a client: masked, and final unless `first` says otherwise. */
export function frame(first: number, payload: string | Uint8Array, mask = randomBytes(4)): Buffer {
  const body = Buffer.from(payload);
  const head =
    body.length < 126
      ? Buffer.from([first, 0x80 | body.length])
      : body.length < 65_536
        ? Buffer.from([first, 0x80 | 126, body.length >> 8, body.length & 0xff])
        : Buffer.concat([Buffer.from([first, 0x80 | 127]), lengthOf(body.length)]);
  return Buffer.concat([head, mask, body.map((byte, index) => byte ^ mask[index % 4])]);
}

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes));
  return length;
}

/** A final frame. */
export function final(opcode: number, payload: string | Uint8Array = ''): Buffer {
  return frame(0x80 | opcode, payload);
}

export function closeFrame(code: number, reason: string | Uint8Array = ''): Buffer {
  const head = Buffer.from([code >> 8, code & 0xff]);
  return final(Opcode.CLOSE, Buffer.concat([head, Buffer.from(reason)]));
}

/** The request that opens a WebSocket; headers given replace the usual ones, '' removes one. */
export function handshake(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const all = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== '');
  return `GET ${path} HTTP/1.1\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
}

export class WebSocketClient {
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  /** Connects, and checks that the answer is the one to our key. */
  static async open(port: number, path: string): Promise<WebSocketClient> {
    const client = await Client.connect(port);
    const key = randomBytes(16).toString('base64');
    await client.send(handshake(path, { 'Sec-WebSocket-Key': key }));
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
    const head = await takeHead(client);
    if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(accept)) throw new Error(head);
    return new WebSocketClient(client);
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.client.send(bytes);
  }

  /** The next frame, which must not be masked. */
  async take(): Promise<Frame> {
    const [first, short] = await this.client.take(2);
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const rest = await this.client.take(extended);
    const length = extended === 0 ? short : Number(`0x${rest.toString('hex')}`);
    if ((first & 0xf0) !== 0x80 || (short & 0x80) !== 0) throw new Error('fragmented or masked');
    return { opcode: first & 0x0f, payload: await this.client.take(length) };
  }

  /** The next frame, which must be a text. */
  async takeText(): Promise<string> {
    const { opcode, payload } = await this.take();
    if (opcode !== Opcode.TEXT) throw new Error(`a frame of opcode ${opcode}`);
    return payload.toString();
  }

  /** The code of the close frame that comes next, and after which the server says no more. */
  async takeClose(): Promise<number> {
    const { opcode, payload } = await this.take();
    if (opcode !== Opcode.CLOSE) throw new Error(`a frame of opcode ${opcode}`);
    const rest = await this.client.takeAll();
    if (rest.length > 0) throw new Error(`${rest.length} bytes after the close frame`);
    this.client.close();
    return payload.length === 0 ? 1005 : payload.readUInt16BE(0);
  }
}

/** A head of HTTP, up to and with its empty line. */
export async function takeHead(client: Client): Promise<string> {
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += (await client.take(1)).toString();
  return head;
}
