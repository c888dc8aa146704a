/** One module may mix the shapes of an import: each is told by its parameters alone (abi.md §6). */
import { once } from 'node:events';
import { connect } from 'node:net';

import { startGuest } from '#host/guest.js';
import { DEFAULT_LIMITS, NO_GRANTS, parseListen } from '#host/index.js';
import { expect, test } from 'vitest';

import { wat } from '../wasm/wat.js';

/**
 * As wasmedge_wasi_socket 0.5.5 imports them: accept of version 1, addresses of version 1, and
 * receiving of version 2. Leaves with 0, or with the number of the step that failed.
 */
const MIXED = wat(`(module
  (import "wasi_snapshot_preview1" "sock_accept"
    (func $accept (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_getlocaladdr"
    (func $local (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_recv_from"
    (func $recv (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send"
    (func $send (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $check (param $step i32) (param $failed i32)
    (if (local.get $failed) (then (call $exit (local.get $step)))))
  ;; An iovec @16 of 64 bytes @256, an address @32 of 16 bytes @512.
  (data (i32.const 16) "\\00\\01\\00\\00\\40\\00\\00\\00")
  (data (i32.const 32) "\\00\\02\\00\\00\\10\\00\\00\\00")
  (func (export "_start") (local $fd i32)
    (call $check (i32.const 1) (call $accept (i32.const 3) (i32.const 0)))
    (local.set $fd (i32.load (i32.const 0)))
    (call $check (i32.const 2)
      (call $local (local.get $fd) (i32.const 32) (i32.const 48) (i32.const 52)))
    (call $check (i32.const 3) (i32.ne (i32.load (i32.const 48)) (i32.const 4)))
    (call $check (i32.const 4) (i32.ne (i32.load (i32.const 512)) (i32.const 0x0100007f)))
    (call $check (i32.const 5)
      (call $recv (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 0)
        (i32.const 56) (i32.const 60) (i32.const 64)))
    (i32.store (i32.const 20) (i32.load (i32.const 60)))
    (call $check (i32.const 6)
      (call $send (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 60)))))`);

test('accept/2, getlocaladdr/4 and recv_from/8 in one module', async () => {
  const guest = await startGuest({
    bytes: MIXED,
    name: 'mixed.wasm',
    listen: [parseListen('127.0.0.1:0')],
    grants: { ...NO_GRANTS, limits: DEFAULT_LIMITS },
  });
  const peer = connect(Number(new URL(guest.listeners[0].url).port), '127.0.0.1');
  peer.write('either version');
  const [answer] = (await once(peer, 'data')) as [Buffer];
  expect(answer.toString()).toBe('either version');
  expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  peer.destroy();
});
