import { describe, expect, test } from 'vitest';

import { ModuleError } from '#host/wasm/bytes.js';
import { readModule } from '#host/wasm/reader.js';
import { moduleKind } from '#host/wasm/sniff.js';
import { cat } from './build.js';

function refusal(bytes: Uint8Array): ModuleError {
  try {
    readModule(bytes, 'server.wasm');
  } catch (error) {
    if (error instanceof ModuleError) return error;
    throw error;
  }
  throw new Error('the file was read');
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

describe('a file that is not wasm says what it seems to be and what to do', () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing', latin1(''), 'is empty; build it again'],
    ['text format', latin1('  (module (func))'), 'WebAssembly text; compile it with wat2wasm'],
    ['commented text format', latin1(';; a server\n(module)'), 'compile it with wat2wasm first'],
    ['text format with a BOM', latin1('\xef\xbb\xbf(module)'), 'compile it with wat2wasm first'],
    ['a component as text', latin1('(component)'), 'wasm-tools parse'],
    ['ELF', latin1('\x7fELF\x02\x01\x01'), 'a native Linux program; compile its source for'],
    ['gzip', latin1('\x1f\x8b\x08\x00'), 'compressed with gzip; unpack it with gunzip first'],
    ['zstd', latin1('\x28\xb5\x2f\xfd'), 'unzstd'],
    ['zip', latin1('PK\x03\x04'), 'a zip archive; unpack it first'],
    ['a web page', latin1('<!DOCTYPE html><title>404'), 'failed download; fetch it again'],
    ['a script', latin1('#!/usr/bin/env node\n'), 'a script; give the .wasm file that it runs'],
    ['Git LFS', latin1('version https://git-lfs.github.com/spec/v1\n'), 'run git lfs pull'],
    ['a static library', latin1('!<arch>\n'), 'link it into a program with wasm-ld first'],
    ['LLVM bitcode', latin1('BC\xc0\xde'), 'LLVM bitcode; compile it with clang'],
    ['source text', latin1('export function main(): void {}\n'), 'it is text; give a core module'],
    ['other bytes', latin1('\x00\x01\x02\x03'), 'some other kind of file; give a core module'],
    ['a future version', latin1('\0asm\x02\0\0\0'), 'of unknown version 2.0; give a core module'],
    ['half a preamble', latin1('\0asm\x01'), 'was cut off after 5 bytes; build or copy it again'],
    ['a byte of it', latin1('\0'), 'was cut off after 1 bytes; build or copy it again'],
  ];

  test.each(cases)('%s', (_, bytes, message) => {
    const error = refusal(bytes);
    expect(error.code).toBe('ERR_SANDPOLL_NOT_WASM');
    expect(error.message).toMatch(/^server\.wasm /);
    expect(error.message).toContain(message);
  });

  test('a huge file of other bytes is not read to its end', () => {
    const error = refusal(cat(latin1('\x7fELF'), new Uint8Array(1_000_000)));
    expect(error.message).toBe(
      'server.wasm is not WebAssembly: it is a native Linux program; ' +
        'compile its source for wasm32-wasip1',
    );
  });
});

describe('a component', () => {
  const component = latin1('\0asm\x0d\0\x01\0');

  test('is known by its layer', () => {
    expect(moduleKind(component, 'server.wasm')).toBe('component');
    expect(moduleKind(latin1('\0asm\x01\0\0\0'), 'server.wasm')).toBe('module');
  });

  test('is refused in one sentence', () => {
    const error = refusal(component);
    expect(error.code).toBe('ERR_SANDPOLL_COMPONENT');
    expect(error.message).toBe(
      'server.wasm is a WebAssembly component, and Sandpoll runs core modules; ' +
        'build it for wasm32-wasip1, or take the core module out with jco transpile',
    );
  });
});
