// HAProxy with one thread, in front of 127.0.0.1:PORT, with the kept connections and the fields that its documentation shows.
import { runProgram, textFrom } from '../native.js';

const [originPort] = process.argv.slice(2);

const configuration = (folder, port) => `
global
  nbthread 1
  maxconn 4096
  stats socket ${folder}/status
defaults
  mode http
  option http-keep-alive
  option forwardfor
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend clients
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  http-reuse always
  http-request set-header X-Forwarded-Proto http
  server one 127.0.0.1:${originPort}
`;

await runProgram({
  program: 'haproxy',
  args: (folder) => ['-f', `${folder}/haproxy.cfg`],
  files: (folder, port) => ({ 'haproxy.cfg': configuration(folder, port) }),
  requests: async (folder) => Number(/^CumReq: (\d+)/m.exec(await textFrom(`${folder}/status`, 'show info\n'))[1]),
});
