/** Tells a core module from everything else that is given to us as one. */
import { ModuleError } from './bytes.js';

/** `\0asm` */
const MAGIC = [0x00, 0x61, 0x73, 0x6d] as const;

/** Bytes before the first section: magic, version, layer. */
export const PREAMBLE_BYTES = 8;

/** First bytes of files that are taken for modules, what they are, and what to do. */
const LOOKALIKES: readonly (readonly [first: string, hint: string])[] = [
  ['\x7fELF', 'a native Linux program; compile its source for wasm32-wasip1'],
  ['MZ', 'a native Windows program; compile its source for wasm32-wasip1'],
  ['\xcf\xfa\xed\xfe', 'a native macOS program; compile its source for wasm32-wasip1'],
  ['\x1f\x8b', 'compressed with gzip; unpack it with gunzip first'],
  ['\x28\xb5\x2f\xfd', 'compressed with zstd; unpack it with unzstd first'],
  ['\xfd7zXZ', 'compressed with xz; unpack it with unxz first'],
  ['BZh', 'compressed with bzip2; unpack it with bunzip2 first'],
  ['PK\x03\x04', 'a zip archive; unpack it first'],
  ['!<arch>', 'a static library; link it into a program with wasm-ld first'],
  ['BC\xc0\xde', 'LLVM bitcode; compile it with clang --target=wasm32-wasi first'],
  ['version https://git-lfs', 'a Git LFS pointer, not the file itself; run git lfs pull'],
  ['(module', 'WebAssembly text; compile it with wat2wasm first'],
  ['(component', 'WebAssembly text; compile it with wasm-tools parse first'],
  ['(;', 'WebAssembly text; compile it with wat2wasm first'],
  [';;', 'WebAssembly text; compile it with wat2wasm first'],
  ['<', 'a web page or XML, perhaps the error page of a failed download; fetch it again'],
  ['#!', 'a script; give the .wasm file that it runs'],
];

const BUILD_HINT = 'give a core module, as asc, clang --target=wasm32-wasi or cargo build make it';

/** How many leading bytes are looked at as text. */
const TEXT_BYTES = 512;

/** What the layer field says: Sandpoll runs modules, not components. */
export type ModuleKind = 'module' | 'component';

/**
 * Says whether `bytes` begin as a core module or as a component.
 *
 * @throws ModuleError ERR_SANDPOLL_NOT_WASM for any other file, saying what it seems to be.
 */
export function moduleKind(bytes: Uint8Array, subject: string): ModuleKind {
  if (bytes.length === 0) throw notWasm(`${subject} is empty; build it again`);
  const magicBytes = MAGIC.findIndex((byte, i) => bytes[i] !== byte);
  if (magicBytes >= 0 && magicBytes < bytes.length) {
    throw notWasm(`${subject} is not WebAssembly: it is ${lookalike(bytes)}`);
  }
  if (bytes.length < PREAMBLE_BYTES) {
    throw notWasm(`${subject} was cut off after ${bytes.length} bytes; build or copy it again`);
  }
  const version = bytes[4] | (bytes[5] << 8);
  const layer = bytes[6] | (bytes[7] << 8);
  if (layer === 1) return 'component';
  if (layer === 0 && version === 1) return 'module';
  throw notWasm(`${subject} is WebAssembly of unknown version ${version}.${layer}; ${BUILD_HINT}`);
}

/** The sentence for a component, as an error. */
export function componentError(subject: string): ModuleError {
  return new ModuleError(
    'ERR_SANDPOLL_COMPONENT',
    `${subject} is a WebAssembly component, and Sandpoll runs core modules; ` +
      'build it for wasm32-wasip1, or take the core module out with jco transpile',
  );
}

function notWasm(message: string): ModuleError {
  return new ModuleError('ERR_SANDPOLL_NOT_WASM', message);
}

function lookalike(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, TEXT_BYTES));
  const text = start.replace(/^\xef\xbb\xbf/, '').trimStart();
  const known = LOOKALIKES.find(([first]) => start.startsWith(first) || text.startsWith(first));
  if (known !== undefined) return known[1];
  const isText = !/[^\t\n\r\x20-\x7e\x80-\xff]/.test(start);
  return `${isText ? 'text' : 'some other kind of file'}; ${BUILD_HINT}`;
}
