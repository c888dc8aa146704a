// Builds the addon, without the network and without a Node headers download:
//   node native/build.mjs
// Does nothing when nothing changed since the last build.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const build = path.join(root, 'build');
const binary = path.join(build, 'Release', 'sandpoll.node');
const stamp = path.join(build, 'stamp');

/** Every file the binary is made of, in a fixed order. */
function sources() {
  const here = fs.readdirSync(root).map((name) => path.join(root, name));
  const core = fs.readdirSync(path.join(root, 'core')).map((name) => path.join(root, 'core', name));
  const files = [...here, ...core].filter((file) => /\.(cc|h|gyp|mjs)$/.test(file));
  return files.toSorted((one, other) => (one < other ? -1 : 1));
}

/** What the binary depends on. Not Node's version: Node-API is the same in all of them. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\0`);
  for (const file of sources()) {
    hash.update(`${path.relative(root, file)}\0`).update(fs.readFileSync(file));
  }
  return hash.digest('hex');
}

function isBuilt(wanted) {
  return fs.existsSync(binary) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted;
}

function fail(sentence) {
  process.stderr.write(`sandpoll: ${sentence}\n`);
  process.exit(1);
}

function isInstalled(tool) {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;
}

function checkTools() {
  const tools = { [process.env.CXX ?? 'g++']: 'g++', make: 'make', python3: 'python3' };
  const missing = Object.entries(tools).filter(([tool]) => !isInstalled(tool));
  if (missing.length === 0) return;
  const names = missing.map(([tool]) => tool).join(', ');
  const packages = missing.map(([, name]) => name).join(' ');
  fail(`building the addon needs ${names}; on Debian: apt-get install -y ${packages}`);
}

/**
 * A directory whose `include/node` node-gyp can use: the one beside the running Node where there
 * is one, else Node-API's own headers with the least that node-gyp asks for.
 */
function nodeDirectory(require) {
  const beside = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
  if (fs.existsSync(path.join(beside, 'include', 'node', 'common.gypi'))) return beside;
  const made = path.join(build, 'headers');
  const include = path.join(made, 'include', 'node');
  fs.mkdirSync(include, { recursive: true });
  fs.cpSync(require('node-api-headers').include_dir, include, { recursive: true });
  fs.writeFileSync(path.join(include, 'common.gypi'), '{}\n');
  return made;
}

/** npm hands its whole configuration down, a stale `nodedir` among it; node-gyp obeys that. */
function environment() {
  const names = Object.keys(process.env).filter((name) => !/^npm_config_/i.test(name));
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

function run() {
  const require = createRequire(import.meta.url);
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const options = [
    `--directory=${root}`,
    `--nodedir=${nodeDirectory(require)}`,
    `--jobs=${os.availableParallelism()}`,
    '--loglevel=warn',
  ];
  for (const step of ['configure', 'build']) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [gyp, step, ...options], {
      encoding: 'utf8',
      env: environment(),
    });
    if (status !== 0) fail(`"node-gyp ${step}" failed:\n${stdout}${stderr}`);
  }
}

if (process.platform !== 'linux') fail('the addon stands on epoll, so it needs Linux');
const wanted = fingerprint();
if (!isBuilt(wanted)) {
  checkTools();
  run();
  fs.writeFileSync(stamp, wanted);
}
