/** Descriptors that another process sends along with a message (`unix(7)`, SCM_RIGHTS). */
import { EPOLLOUT } from '#host/abi/epoll.js';
import { AF_UNIX, encodeSockaddr } from '#host/address.js';
import { parseNetRule } from '#host/grants.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Driven, withDriven } from '../support/driven.js';
import {
  BYTES,
  SIZE,
  SOCK_SEQPACKET,
  rawAddress,
  recv,
  socket,
} from '../support/linux-sockets.js';
import { opens } from '../support/wasmedge.js';
import { World, ok } from './world.js';
