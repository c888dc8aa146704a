/** The files of this repository, for tests that read them. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Folders that hold what others wrote, or what was built. */
const NOT_OURS = new Set(['node_modules', 'dist', 'build', 'coverage', '.git']);

export interface Source {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function paths(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return NOT_OURS.has(entry.name) ? [] : paths(`${path}/`);
  });
}

/** Our files under `folder` (`host/`, or `` for all) whose names match. */
export function sources(folder: string, name: RegExp): Source[] {
  return paths(folder)
    .filter((path) => name.test(path))
    .toSorted()
    .map((path) => {
      const text = readFileSync(ROOT + path, 'utf8');
      return { path, text, lines: text.replace(/\n$/, '').split('\n') };
    });
}
