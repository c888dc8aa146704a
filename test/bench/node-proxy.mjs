// The proxy on Node's own `net`: node-proxy.mjs UPSTREAM_PORT
import { connect, createServer } from 'node:net';

const host = '127.0.0.1';
const upstreamPort = Number(process.argv[2]);

const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const upstream = connect({ host, port: upstreamPort, noDelay: true, allowHalfOpen: true });
  client.on('error', () => upstream.resetAndDestroy());
  upstream.on('error', () => client.resetAndDestroy());
  client.pipe(upstream).pipe(client);
});

server.listen({ host, port: 0, backlog: 4096 }, () => {
  process.stderr.write(`listening on tcp://${host}:${server.address().port}\n`);
});
