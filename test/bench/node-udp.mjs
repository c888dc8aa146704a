// The UDP echo server on Node's own `dgram`.
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');

socket.on('message', (message, { port, address }) => socket.send(message, port, address));
socket.bind(0, '127.0.0.1', () => {
  process.stderr.write(`listening on udp://127.0.0.1:${socket.address().port}\n`);
});
