/** Reading the module a person named. */
import { readFileSync } from 'node:fs';

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory; name the .wasm file in it',
  EACCES: 'it may not be read; check its permissions',
};

/** Whether what `serve` is to serve is a pipeline: the first file among its arguments says so. */
export function servesPipeline(args: readonly string[]): boolean {
  const file = args.find((each) => /^[^-].*\.(wasm|toml)$/.test(each));
  return file?.endsWith('.toml') ?? false;
}

/** The bytes of a file; an error that says in a sentence why there are none. */
export function readModuleFile(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw Object.assign(new Error(`cannot read ${file}: ${ADVICE[code] ?? message}`), { code });
  }
}
