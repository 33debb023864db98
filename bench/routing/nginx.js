// nginx with one worker, as a child of this process: `origin` answers by itself, `proxy PORT` forwards to 127.0.0.1:PORT as
// its documentation says for HTTP: with kept connections, nothing buffered on disk, nothing logged.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { ANSWER } from './answer.js';

const TICK = 10_000; // microseconds: Linux counts processor time in hundredths of a second

const [role, originPort] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));

const ORIGIN = `
    location / {
      default_type application/json;
      return 200 '${ANSWER}';
    }`;
const PROXY = `
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }`;

const configuration = (port) => `
worker_processes 1;
daemon off;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${role === 'proxy' ? `upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 100000000; }` : ''}
  server {
    listen 127.0.0.1:${port};
    ${role === 'proxy' ? PROXY : ORIGIN}
  }
}
`;

/** nginx cannot choose a port: one that was free a moment ago. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Settles when something accepts connections there. */
async function listening(port) {
  for (;;) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => socket.destroy()).once('connect', () => socket.end());
    });
    if (isThere) return;
    await pass(20);
  }
}

/** Microseconds of processor time of all processes whose parent is this one, in the format of `process.cpuUsage`. */
function processorTimeOfChildren(parent) {
  let user = 0;
  let system = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (Number(fields[1]) !== parent) continue;
      user += Number(fields[11]) * TICK;
      system += Number(fields[12]) * TICK;
    } catch {
      // ended meanwhile
    }
  }
  return { user, system };
}

const port = await freePort();
writeFileSync(join(folder, 'nginx.conf'), configuration(port));
const nginx = spawn('nginx', ['-p', folder, '-c', 'nginx.conf'], { stdio: ['ignore', 'inherit', 'inherit'] });
nginx.once('error', (error) => {
  console.error(`nginx is needed for comparison (apt-get install nginx): ${error.message}`);
  process.exit(1);
});
const end = () => nginx.kill('SIGTERM');
nginx.once('exit', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit();
});
process.once('SIGTERM', end);
process.once('disconnect', end);
await listening(port);
process.on('message', () => process.send(processorTimeOfChildren(nginx.pid)));
process.send(port);
