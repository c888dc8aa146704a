/** What is not granted is denied, and the denial names the flag that grants it (B38–B40). */
import { once } from 'node:events';
import { type AddressInfo, connect as dial, createServer } from 'node:net';

import { Errno } from '#host/errno.js';
import { type NetRule, parseNetRule } from '#host/grants.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LISTENER, withDriven } from '../support/driven.js';
import {
  DGRAM,
  INET4,
  STREAM,
  addressV2,
  inet4,
  opens,
  slot,
  textIovec,
} from '../support/wasmedge.js';

const OUT = 0x1_f000;
const INET6 = 2;
const LOCALHOST = [127, 0, 0, 1] as const;
/** Another address of loopback, which the tests' own connections do not use. */
const OTHER = [127, 0, 0, 2] as const;

/** A use of an address: its name in a denial, and the call, which answers an errno. */
interface Use {
  readonly what: string;
  readonly flag: (port: number) => string;
  readonly call: (driven: Driven, port: number) => Promise<number>;
}

const USES: readonly Use[] = [
  {
    what: 'bind to tcp',
    flag: () => '--allow-net=tcp:127.0.0.1:0/in',
    call: async (driven) => {
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      return driven.call('sock_bind', fd, await inet4(driven, ...LOCALHOST), 0);
    },
  },
  {
    what: 'bind to tcp',
    flag: () => '--allow-net=tcp:0.0.0.0:0/in',
    call: async (driven) => {
      // B39: listening without a name binds to every interface.
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      return driven.call('sock_listen', fd, 1);
    },
  },
  {
    what: 'connect to tcp',
    flag: (port) => `--allow-net=tcp:127.0.0.1:${port}/out`,
    call: async (driven, port) => {
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      return driven.call('sock_connect', fd, await inet4(driven, ...LOCALHOST), port);
    },
  },
  {
    what: 'connect to udp',
    flag: (port) => `--allow-net=udp:127.0.0.1:${port}/out`,
    call: async (driven, port) => {
      const fd = await opens(driven, 'sock_open', INET4, DGRAM);
      return driven.call('sock_connect', fd, await inet4(driven, ...LOCALHOST), port);
    },
  },
];

/** Sends a datagram from a socket that has no address of its own. */
async function sendUnbound(driven: Driven, port: number): Promise<number> {
  const fd = await opens(driven, 'sock_open', INET4, DGRAM);
  const iovs = await textIovec(driven, 'x');
  const to = await inet4(driven, ...LOCALHOST);
  return driven.call('sock_send_to', fd, iovs, 1, to, port, 0, OUT);
}

/** Runs `body` with the port of a listener on loopback. */
async function withPort(body: (port: number) => Promise<void>, host = '127.0.0.1'): Promise<void> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

describe('nothing unless given', () => {
  test.each(USES)('B38 $what is denied, and granted by the flag that the denial names', (use) =>
    withPort(async (port) => {
      let said = '';
      await withDriven({}, async (driven, { reported }) => {
        const report = reported();
        expect(await use.call(driven, port)).toBe(Errno.ACCES);
        said = await report;
      });
      const [, flag] = /grant it with (\S+)$/.exec(said) ?? [];
      expect([said.slice(0, `denied: ${use.what}`.length), flag]).toEqual([
        `denied: ${use.what}`,
        use.flag(port),
      ]);
      const rule = parseNetRule(flag.replace('--allow-net=', ''), '--allow-net');
      await withDriven({ net: { allow: [rule], deny: [] } }, async (driven) => {
        expect(await use.call(driven, port)).toBe(Errno.SUCCESS);
      });
    }),
  );

  test('B38 B39 sending without an address is a bind too: two denials name two flags', () =>
    withPort(async (port) => {
      const flags = [`--allow-net=udp:127.0.0.1:${port}/out`, '--allow-net=udp:0.0.0.0:0/in'];
      const allow: NetRule[] = [];
      for (const flag of flags) {
        await withDriven({ net: { allow: [...allow], deny: [] } }, async (driven, { reported }) => {
          const report = reported();
          expect(await sendUnbound(driven, port)).toBe(Errno.ACCES);
          expect(await report).toMatch(new RegExp(`; grant it with ${flag}$`));
        });
        allow.push(parseNetRule(flag.replace('--allow-net=', ''), '--allow-net'));
      }
      await withDriven({ net: { allow, deny: [] } }, async (driven) => {
        expect(await sendUnbound(driven, port)).toBe(Errno.SUCCESS);
      });
    }));

  test('a denial is told once, however often it is tried', async () => {
    await withDriven({}, async (driven, { reports, reported }) => {
      for (let i = 0; i < 3; i++) await USES[0]?.call(driven, 0);
      const last = reported();
      await USES[1]?.call(driven, 0);
      await last;
      expect(reports).toHaveLength(2);
    });
  });

  test('B40 an IPv4 address in the clothes of IPv6 is judged as IPv4', () =>
    withPort(async (port) => {
      const mapped = Uint8Array.from([...Array(10).fill(0), 255, 255, ...OTHER]);
      const rule = parseNetRule(OTHER.join('.'), '--allow-net');
      const connect = async (driven: Driven): Promise<number> => {
        const fd = await opens(driven, 'sock_open', INET6, STREAM);
        const to = await addressV2(driven, INET6, mapped);
        return driven.call('sock_connect', fd, to, port);
      };
      await withDriven({ net: { allow: [rule], deny: [] } }, async (driven) => {
        expect(await connect(driven)).toBe(Errno.SUCCESS);
      });
      const all = parseNetRule('*', '--allow-net');
      await withDriven({ net: { allow: [all], deny: [rule] } }, async (driven) => {
        expect(await connect(driven)).toBe(Errno.ACCES);
      });
    }, OTHER.join('.')));

  test('B42 a peer that is denied is closed unseen, and the next is accepted', async () => {
    const deny = [parseNetRule(OTHER.join('.'), '--deny-net')];
    await withDriven({ net: { allow: [], deny } }, async (driven) => {
      const port = driven.host.port;
      const denied = dial({ port, host: '127.0.0.1', localAddress: OTHER.join('.') });
      denied.on('error', () => {}).resume();
      await once(denied, 'connect');
      const welcome = await driven.dial();
      const accepted = await opens(driven, 'sock_accept', LISTENER, 0);
      await driven.call('sock_getpeeraddr', accepted, await slot(driven, 16), OUT, OUT + 16);
      expect(await driven.u32(OUT + 16)).toBe(welcome.localPort);
      if (!denied.destroyed) await once(denied, 'close');
    });
  });
});
