// The echo server on Node's own `net`: what a guest's speed is also compared with.
import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  // The load generator ends its connections with a reset.
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  process.stderr.write(`listening on tcp://127.0.0.1:${server.address().port}\n`);
});
