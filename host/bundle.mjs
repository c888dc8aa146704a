/**
 * Makes few files of what a process or a thread begins with: `npm run build:host`, after `tsc`.
 *
 * Node's ES loader takes half a millisecond for each of some sixty modules. A guest's thread that
 * loads one file starts in half the time, and keeps 1.5 MB less; the command starts 40 ms sooner,
 * and a guest's process 100 ms. The files lie as deep in `dist/` as what they are made of, and so
 * find the addon and each other. Packages stay what they are: modules of their own.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';

const root = new URL('../dist/', import.meta.url).pathname;
const external = [/^node:/, /^@?[a-z]/];

/** Bundles `input`, from `dist/`, into a file there; what it imports when asked to, as well. */
async function bundle(input, output) {
  const made = await rolldown({ input: `${root}${input}`, platform: 'node', external });
  await made.write({ file: `${root}${output}`, format: 'cjs', codeSplitting: false });
  await made.close();
}

await bundle('worker.js', 'thread/worker.cjs');
// V8 keeps the text of what it runs, in half as many bytes if all of it is ASCII.
const worker = `${root}thread/worker.cjs`;
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
writeFileSync(worker, readFileSync(worker, 'utf8').replace(/[^\0-\x7f]/g, escaped));
await bundle('child/program.js', 'process/program.cjs');
await bundle('child/thread.js', 'process/thread.cjs');

// Of the command a run loads only what it needs: each verb has a file.
const command = await rolldown({ input: `${root}cli/program.js`, platform: 'node', external });
rmSync(`${root}command`, { recursive: true, force: true });
await command.write({
  dir: `${root}command`,
  format: 'cjs',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
});
await command.close();
