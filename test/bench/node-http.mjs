// The HTTP server on Node's own `http`, without the header fields it would add for itself.
import { createServer } from 'node:http';

const body = 'Hello from the sandbox\n';

const server = createServer({ keepAliveTimeout: 0, noDelay: true }, (request, response) => {
  const found = request.url === '/';
  response.sendDate = false;
  response.writeHead(found ? 200 : 404, {
    'Content-Type': 'text/plain',
    'Content-Length': found ? body.length : 0,
  });
  response.end(found ? body : '');
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  process.stderr.write(`listening on tcp://127.0.0.1:${server.address().port}\n`);
});
