// Requests per second under Express without a limiter, with the kit's limiter and with its peers, in memory and with
// Redis. wrk is the load, because autocannon would be as busy as the server.
import { compareServers } from '../harness.js';
import { loadByWrk } from '../wrk.js';

const module = new URL('server.js', import.meta.url).pathname;
const redis = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const rounds = Number(process.env.ROUNDS ?? 15);
const seconds = Number(process.env.SECONDS ?? 1);
const servers = (...names) => Object.fromEntries(names.map((name) => [name, { module, args: [name, redis] }]));

await compareServers({
  title: 'Rate limiting under Express, in memory',
  servers: servers('none', 'header fields alone', 'ours', 'express-rate-limit', 'rate-limiter-flexible'),
  ceiling: 'none',
  ours: 'ours',
  targets: [{ name: 'ours', of: 'none', least: 0.97 }],
  rounds,
  seconds,
  loadServer: loadByWrk,
});
// The real situation: the key is a new string in each request.
const withKeys = ['one key', 'keys built per request'];
await compareServers({
  title: 'Rate limiting under Express, keys of the application',
  servers: servers('none', 'header fields alone', ...withKeys),
  ceiling: 'none',
  ours: 'keys built per request',
  targets: withKeys.map((name) => ({ name, of: 'header fields alone', least: 0.97 })),
  rounds,
  seconds,
  loadServer: loadByWrk,
});
await compareServers({
  title: 'Rate limiting under Express, with Redis',
  servers: servers('none', 'ours, Redis', 'express-rate-limit, Redis', 'rate-limiter-flexible, Redis'),
  ceiling: 'none',
  ours: 'ours, Redis',
  rounds,
  seconds,
  loadServer: loadByWrk,
});
