// A guest under node:wasi, with one folder: node-wasi.mjs GUEST FOLDER.
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { WASI } from 'node:wasi';

const [, , guest, folder] = argv;
const wasi = new WASI({ version: 'preview1', args: [guest], preopens: { '/bench': folder } });
const module = new WebAssembly.Module(readFileSync(guest));
exit(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())));
