/** poll(2), select(2) and FIONREAD as wasi-libc has them: a socket, a file and stdio at once. */
import { readFileSync } from 'node:fs';

import { startGuest } from '#host/guest.js';
import { NO_GRANTS, parseListen } from '#host/index.js';
import { expect, test } from 'vitest';

import { cModule } from '../support/c-guest.js';
import { Client } from '../support/client.js';
import { withFiles } from '../support/files.js';

const SAID = `\
listener: ok 1 events:IN
listener, when nobody comes: ok 0 events:
nothing to read: ok 0 events:
it waited: yes
nothing to read, at once: ok 0 events:
room to write: ok 1 events:OUT
select of nothing to read: 0 connection 0 waited 1
poll of nothing: 0
it waited: yes
FIONREAD of what has sent nothing: ok 0
FIONREAD of a file: ok 5
something to read: ok 1 events:IN
all: 5 connection:IN stdout:OUT file:INOUT not open:NVAL connection:OUT
select: 3 connection 1 file 1 stdout 1
FIONREAD of what has sent: ok 5
read: 5
all is read: ok 0 events:
FIONBIO: 0
read: EAGAIN
the end: ok 1 events:IN
read: 0
all at the end: 5 connection:IN stdout:OUT file:INOUT not open:NVAL connection:OUT
`;

test('poll.c hears of a connection, a file and stdio alike', async () => {
  await withFiles({}, async (folder) => {
    const lines: string[] = [];
    const guest = await startGuest({
      bytes: readFileSync(cModule('poll')),
      name: 'poll.wasm',
      listen: [parseListen('127.0.0.1:0')],
      grants: {
        ...NO_GRANTS,
        args: ['poll.wasm', '4'],
        dirs: [{ host: folder, guest: '/', readOnly: false }],
      },
      onOutput: (output) => {
        if (output.kind === 'line') lines.push(output.text);
      },
    });
    const client = await Client.connect(Number(new URL(guest.listeners[0]?.url ?? '').port));
    expect((await client.take(2)).toString()).toBe('go');
    await client.send('12345');
    expect((await client.take(3)).toString()).toBe('end');
    client.end();
    expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
    expect(`${lines.join('\n')}\n`).toBe(SAID);
    client.close();
  });
});
