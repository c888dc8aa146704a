#!/usr/bin/env node
/** The `sandpoll` command: starts a thread for the guest while the rest is still loading. */
import { startThread } from '../thread.js';

const argv = process.argv.slice(2);
const noGuest = ['inspect', 'help', undefined, '-h', '--help', '-V', '--version'];
const thread = noGuest.includes(argv[0]) ? undefined : startThread();
const { main } = await import('./program.js');
await main(argv, thread);
