import { expect, test } from 'vitest';

import { GuestMemory } from '#host/abi/memory.js';
import { OP_RECV, OP_SEND, Submission } from '#host/abi/submit.js';
import { Errno } from '#host/errno.js';
import type { ImportRow, Word } from '#host/imports/call.js';
import { PREVIEW1_ROWS } from '#host/imports/preview1/index.js';
import { SANDPOLL_ROWS } from '#host/imports/sandpoll/index.js';
import { traceGroup, traceLine } from '#host/imports/trace.js';

/** Where the test's paths lie; 9 comes after them, as what a call has opened or written. */
const [FIRST, SECOND, OUT] = [64, 1024, 2048];

function row(name: string): ImportRow {
  const found = PREVIEW1_ROWS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** The line of a call over a page that has these texts in it. */
function line(name: string, words: Word[], first = '', second = '', result = 0): string {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(Buffer.from(first, 'latin1'), FIRST);
  bytes.set(Buffer.from(second, 'latin1'), SECOND);
  bytes[OUT] = 9;
  return traceLine(row(name), words, result, new GuestMemory(memory));
}

test('paths are traced as text', () => {
  const open = [3, 1, FIRST, 6, 0, 2n, 0n, 0, OUT];
  expect(line('path_open', open, 'a/file')).toBe(
    'path_open(fd=3, dirflags=1, path="a/file", path_len=6, oflags=0, fs_rights_base=2, ' +
      'fs_rights_inheriting=0, fdflags=0) = 0 opened_fd=9',
  );
  expect(line('path_rename', [3, FIRST, 1, 4, SECOND, 2], 'a', 'bc', Errno.NOENT)).toBe(
    'path_rename(fd=3, old_path="a", old_path_len=1, new_fd=4, new_path="bc", new_path_len=2)' +
      ' = ENOENT',
  );
  expect(line('path_symlink', [FIRST, 0, 3, SECOND, 2], '', 'bc')).toContain('old_path="", ');
});

test('B98: a path in a trace is one line of harmless characters, and cut when it is long', () => {
  const mkdir = (path: string): string =>
    line('path_create_directory', [3, FIRST, path.length], path);
  expect(mkdir('"\\\n\x1b[2J\x7f\xff ')).toContain(String.raw`path="\"\\\x0a\x1b[2J\x7f\xff ", `);
  expect(mkdir('x'.repeat(32))).toContain(`path="${'x'.repeat(32)}", `);
  expect(mkdir('x'.repeat(33))).toContain(`path="${'x'.repeat(32)}"..., path_len=33`);
});

test('a path outside memory is traced as the pointer it is, and what is written is no path', () => {
  expect(line('path_unlink_file', [3, 65_536 - 3, 4], '', '', Errno.FAULT)).toBe(
    'path_unlink_file(fd=3, path=0xfffd, path_len=4) = EFAULT',
  );
  expect(line('path_unlink_file', [3, FIRST, -1], '', '', Errno.FAULT)).toContain('path=0x40, ');
  expect(line('path_readlink', [3, FIRST, 1, SECOND, 8, OUT], 'a', 'target')).toBe(
    'path_readlink(fd=3, path="a", path_len=1, buf=0x400, buf_len=8) = 0 bufused=9',
  );
  expect(line('fd_prestat_dir_name', [3, FIRST, 2], '/x')).toContain('path=0x40, path_len=2');
});

test('every call of module sandpoll is of a group that says what it is about', () => {
  const groups = SANDPOLL_ROWS.map(({ name }) => [name, traceGroup(name)] as const);
  expect(groups.filter(([, group]) => group === 'process')).toEqual([]);
  const sockets = groups.filter(([, group]) => group === 'sock').map(([name]) => name);
  expect(sockets).toEqual(expect.arrayContaining(['submit', 'recv', 'sendmmsg', 'accept4']));
  expect(traceGroup('epoll_wait')).toBe('epoll');
});

test('what became of each submission is told', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const view = new DataView(memory.buffer);
  const list = [
    [OP_RECV, 5, 64],
    [OP_SEND, 7, -Errno.PIPE],
    [99, 3, -Errno.INVAL],
  ] as const;
  list.forEach(([opcode, fd, result], index) => {
    const at = FIRST + index * Submission.SIZE;
    Submission.opcode.set(view, at, opcode);
    Submission.fd.set(view, at, fd);
    Submission.result.set(view, at, result);
  });
  const submit = SANDPOLL_ROWS.find(({ name }) => name === 'submit');
  if (submit === undefined) throw new Error('there is no submit');
  const told = traceLine(submit, [FIRST, list.length], 0, new GuestMemory(memory));
  expect(told).toBe(
    'submit(submissions=0x40, nsubmissions=3) = 0 recv(5)=64 send(7)=EPIPE operation 99(3)=EINVAL',
  );
});
