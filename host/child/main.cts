/**
 * A guest's process begins here. It is CommonJS, and confines itself before it loads anything but
 * the addon: an ES module in its place would have Node start threads for reading files, which
 * Landlock would not reach. What the kernel does not know is left out, and told of.
 */
type Setup = import('../isolate/setup.js', { with: { 'resolution-mode': 'import' } }).Setup;
type Confinement = import(
  '../kernel/confine.js',
  { with: { 'resolution-mode': 'import' } }
).Confinement;
type Kernel = import('../kernel/kernel.js', { with: { 'resolution-mode': 'import' } }).Kernel;

const kernel = require('../../native/build/Release/sandpoll.node') as Kernel & Confinement;
const { SANDPOLL_CHILD: text } = process.env;
const setup = JSON.parse(text ?? 'null') as Setup | null;

const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const SIGKILL = 9;
const EPERM = 1;
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;

/** What confines this process, and what does not and why, in words. */
const by: string[] = [];
const without: string[] = [];

function say(what: string, result: number): void {
  if (result >= 0) by.push(what);
  else without.push(`${what} (errno ${-result})`);
}

function limitResources({ limits }: Setup): number {
  const results = limits.map(([resource, soft, hard]) => kernel.setrlimit(resource, soft, hard));
  // A limit that may not be raised to this is lower already.
  return Math.min(...results.map((result) => (result === -EPERM ? 0 : result)));
}

function landlock({ attributes, paths, ports }: NonNullable<Setup['landlock']>): number {
  const ruleset = kernel.landlockCreateRuleset(Uint8Array.from(attributes), 0);
  if (ruleset < 0) return ruleset;
  for (const [path, access] of paths) {
    const opened = kernel.openPath(new TextEncoder().encode(path));
    // What is not there cannot be used.
    if (opened < 0) continue;
    const added = kernel.landlockAddPath(ruleset, opened, access);
    kernel.close(opened);
    if (added < 0) return added;
  }
  for (const [port, access] of ports) {
    const added = kernel.landlockAddPort(ruleset, port, access);
    if (added < 0) return added;
  }
  const restricted = kernel.landlockRestrictSelf(ruleset, 0);
  kernel.close(ruleset);
  return restricted;
}

/** Connects to the supervisor, and gives up what can be given up before the guest is known. */
function begin(given: Setup): number {
  if (kernel.prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || process.ppid !== given.parentPid) {
    process.exit(1);
  }
  const channel = kernel.socket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (kernel.connect(channel, Uint8Array.from(given.channel)) < 0) process.exit(1);
  say('rlimits', limitResources(given));
  const bound = kernel.prctl(PR_SET_NO_NEW_PRIVS, 1);
  say('no_new_privs', bound);
  if (given.landlock === undefined) without.push('Landlock (this kernel has none)');
  else say(`Landlock ABI ${given.landlock.version}`, landlock(given.landlock));
  return channel;
}

// A terminal sends Ctrl-C to all processes of a group; what becomes of the guest, the host decides.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => {});
}
if (setup === null) {
  process.stderr.write('sandpoll: this file is run by the host, for a guest in a process\n');
  process.exit(2);
}
const channel = begin(setup);
const { main } = require('../process/program.cjs') as typeof import(
  './program.js',
  { with: { 'resolution-mode': 'import' } }
);
void main(channel, { by, without });
