import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { program, type Server } from './servers.js';

/** The name of the extra row. */
export const NGINX = 'nginx';

/** A port that was free a moment ago: nginx takes no port 0. */
const freePort = async (): Promise<number> => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/** One process, nothing written, and the answer that the other servers give. */
const config = (directory: string, port: number): string => `
daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events { use epoll; worker_connections 16384; }
http {
  access_log off;
  server_tokens off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  default_type 'text/plain; charset=utf-8';
  client_body_temp_path ${directory};
  proxy_temp_path ${directory};
  fastcgi_temp_path ${directory};
  uwsgi_temp_path ${directory};
  scgi_temp_path ${directory};
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = / { return 200 "Hello from inside the sandbox.\\n"; }
  }
}
`;

/** nginx with a configuration of its own in the build directory; undefined where there is none. */
export const nginxServer = async (): Promise<Server | undefined> => {
  if (spawnSync('nginx', ['-v']).status !== 0) return undefined;
  const directory = program('nginx');
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const file = `${directory}/nginx.conf`;
  writeFileSync(file, config(directory, port));
  return { name: NGINX, command: ['nginx', '-p', directory, '-e', 'stderr', '-c', file], port };
};
