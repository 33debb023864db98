// Requests a second that pass through a server which forwards them by one HTTP client or another, and nothing else.
import { compareServers, start } from '../harness.js';

const module = new URL('forwarding-server.js', import.meta.url).pathname;
const CLIENTS = ['undici, dispatch', 'undici, request', 'node:http', 'axios', 'fetch'];

const origin = await start({ module: new URL('../soak/origin.js', import.meta.url).pathname });
await compareServers({
  title: 'Forwarding by one client or another',
  servers: Object.fromEntries(CLIENTS.map((name) => [name, { module, args: [name, String(origin.port)] }])),
  ceiling: 'undici, dispatch',
  ours: 'undici, dispatch',
  rounds: Number(process.env.ROUNDS ?? 7),
  seconds: Number(process.env.SECONDS ?? 2),
});
origin.child.kill();
process.exit();
