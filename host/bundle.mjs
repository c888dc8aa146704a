/**
 * Makes one file of all that a guest's thread loads: `npm run build:host`, after `tsc`.
 *
 * A thread that loads some sixty modules by Node's ES loader takes twice as long to start, and
 * keeps 1.5 MB more. The file lies as deep in `dist/` as what it is made of and finds the addon.
 */
import { rolldown } from 'rolldown';

const root = new URL('../dist/', import.meta.url).pathname;
const bundle = await rolldown({
  input: `${root}worker.js`,
  platform: 'node',
  external: [/^node:/],
});
await bundle.write({ file: `${root}thread/worker.cjs`, format: 'cjs', codeSplitting: false });
await bundle.close();
