/** Socket addresses, read and written. */

import { SocketAddress } from 'sandpoll/guest';
import { check, checkText, finish } from './lib/check';

function checkRead(text: string, expected: string): void {
  const address = SocketAddress.parse(text);
  check(address !== null, text + ' is an address');
  if (address !== null) checkText(address.toString(), expected, text);
}

function checkRefused(text: string): void {
  check(SocketAddress.parse(text) === null, text + ' is no address');
}

checkText(SocketAddress.ipv4(127, 0, 0, 1, 80).toString(), '127.0.0.1:80', 'from four numbers');
checkRead('127.0.0.1:8080', '127.0.0.1:8080');
checkRead('0.0.0.0:0', '0.0.0.0:0');
checkRead('255.255.255.255:65535', '255.255.255.255:65535');
checkRead('[::1]:8080', '[0:0:0:0:0:0:0:1]:8080');
checkRead('[::]:1', '[0:0:0:0:0:0:0:0]:1');
checkRead('[fe80::a:B]:1', '[fe80:0:0:0:0:0:a:b]:1');
checkRead('[1:2:3:4:5:6:7:8]:9', '[1:2:3:4:5:6:7:8]:9');
checkRead('[1:2:3:4:5:6:7::]:9', '[1:2:3:4:5:6:7:0]:9');

const wrong: StaticArray<string> = [
  '',
  ':80',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:65536',
  '127.0.0.1:-1',
  '127.0.0.1:+1',
  '127.0.0.1: 1',
  '127.1:80',
  '256.0.0.1:80',
  '1.2.3.4.5:80',
  '01.2.3.4:80',
  '1.2.3.x:80',
  'localhost:80',
  '::1:80',
  '[::1]80',
  '[::1:80',
  '[1:2:3]:80',
  '[1:2:3:4:5:6:7:8:9]:80',
  '[1::2::3]:80',
  '[12345::]:80',
  '[g::]:80',
  '[1:2:3:4:5:6:7:8::]:80',
];
for (let i = 0; i < wrong.length; i++) checkRefused(wrong[i]);
finish();
