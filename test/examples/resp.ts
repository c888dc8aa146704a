/** A client that speaks RESP2, the protocol of Redis. */
import { Client } from '../support/client.js';

/**
 * A reply: an integer as a number, a simple string without its `+`, an error with its `-`, a bulk
 * string as Latin-1 text, which has a character for each byte.
 */
export type Reply = string | number | null | Reply[];

/** A request as an array of bulk strings; texts are Latin-1. */
export function encode(...parts: (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

/** One connection. Replies come in the order of the requests. */
export class RespClient {
  /** The connection itself, for bytes that are no requests, or no replies. */
  readonly raw: Client;
  #unparsed: Buffer = Buffer.alloc(0);

  constructor(raw: Client) {
    this.raw = raw;
  }

  static async connect(port: number): Promise<RespClient> {
    return new RespClient(await Client.connect(port));
  }

  /** Sends one command, and takes its reply. */
  async call(...parts: (string | Buffer)[]): Promise<Reply> {
    await this.raw.send(encode(...parts));
    return (await this.replies(1))[0] ?? null;
  }

  /** Sends commands in one piece, and takes a reply to each. */
  async pipeline(requests: readonly Buffer[]): Promise<Reply[]> {
    const sent = this.raw.send(Buffer.concat(requests));
    const replies = await this.replies(requests.length);
    await sent;
    return replies;
  }

  /** Takes the next `count` replies. */
  async replies(count: number): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (;;) {
      let at = 0;
      while (replies.length < count) {
        const found = parse(this.#unparsed, at);
        if (found === null) break;
        replies.push(found.reply);
        at = found.end;
      }
      this.#unparsed = this.#unparsed.subarray(at);
      if (replies.length === count) return replies;
      const first = await this.raw.take(1);
      const others = await this.raw.take(this.raw.available);
      this.#unparsed = Buffer.concat([this.#unparsed, first, others]);
    }
  }

  close(): void {
    this.raw.close();
  }
}

interface Parsed {
  readonly reply: Reply;
  /** Where the next reply begins. */
  readonly end: number;
}

/** The reply that begins at `start`, or null if not all of it is there. */
function parse(bytes: Buffer, start: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return null;
  const line = bytes.toString('latin1', start, lineEnd);
  const text = line.slice(1);
  const end = lineEnd + 2;
  switch (line[0]) {
    case '+':
      return { reply: text, end };
    case '-':
      return { reply: line, end };
    case ':':
      return { reply: Number(text), end };
    case '$':
      return parseBulk(bytes, end, Number(text));
    case '*':
      return parseArray(bytes, end, Number(text));
    default:
      throw new Error(`not a reply: ${line}`);
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  if (bytes.length < end) return null;
  return { reply: bytes.toString('latin1', start, start + length), end };
}

function parseArray(bytes: Buffer, start: number, length: number): Parsed | null {
  const reply: Reply[] = [];
  let end = start;
  while (reply.length < length) {
    const item = parse(bytes, end);
    if (item === null) return null;
    reply.push(item.reply);
    end = item.end;
  }
  return { reply, end };
}
