// nginx with one worker. The first argument is its role:
//   origin             answers by itself
//   proxy PORT         forwards to 127.0.0.1:PORT as its documentation says for HTTP, with kept connections, and logs nothing
//   guarded PORT RATE  also caches, and admits at most RATE requests of a client per second
import { runProgram, textFrom } from '../native.js';
import { ANSWER, LARGE } from './answer.js';

const [role, originPort, rate] = process.argv.slice(2);

/** `/large` and `/cached` are files, because nginx answers conditional requests only for these. */
const ORIGIN = () => `
    default_type application/json;
    location / { return 200 '${ANSWER}'; }
    location = /large.json { add_header Cache-Control no-store; }
    location = /cached.json { add_header Cache-Control max-age=3600; }`;

const PROXY = () => `
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }`;

const GUARDED = () => `
    limit_req zone=clients burst=${rate} nodelay;
    limit_req_status 429;
    proxy_cache answers;
    proxy_cache_lock on;
    ${PROXY()}`;

/** What the server says, and what is outside it. */
const ROLES = {
  origin: { location: ORIGIN, shared: () => '' },
  proxy: { location: PROXY, shared: upstream },
  guarded: {
    location: GUARDED,
    shared: (folder) => `${upstream()}
  limit_req_zone $binary_remote_addr zone=clients:10m rate=${rate}r/s;
  proxy_cache_path ${folder}/cache keys_zone=answers:10m;`,
  },
};

function upstream() {
  return `upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 100000000; }`;
}

const configuration = (folder, port) => `
worker_processes 1;
daemon off;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 600s;
  keepalive_requests 100000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${ROLES[role].shared(folder)}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${folder};
    ${ROLES[role].location()}
  }
  server {
    listen unix:${folder}/status;
    location / { stub_status; }
  }
}
`;

await runProgram({
  program: 'nginx',
  args: (folder) => ['-p', folder, '-c', 'nginx.conf'],
  files: (folder, port) => ({
    'nginx.conf': configuration(folder, port),
    'large.json': LARGE,
    'cached.json': ANSWER,
  }),
  requests: async (folder) => {
    const status = await textFrom(`${folder}/status`, 'GET / HTTP/1.0\r\n\r\n');
    return Number(/requests\s+\d+ \d+ (\d+)/.exec(status)[1]);
  },
});
