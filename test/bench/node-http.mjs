// The HTTP server on Node's own `http`, with the same answer as examples/http.
import { createServer } from 'node:http';

const body = 'Hello from inside the sandbox.\n';

const server = createServer({ keepAliveTimeout: 0, noDelay: true }, (request, response) => {
  const found = request.url === '/';
  response.writeHead(found ? 200 : 404, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': found ? body.length : 0,
  });
  response.end(found ? body : '');
});

server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  process.stderr.write(`listening on tcp://127.0.0.1:${server.address().port}\n`);
});
