// Requests a second under Express: no limiter, ours, and the peers; in memory and with Redis.
import { compareServers } from '../harness.js';

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
});
await compareServers({
  title: 'Rate limiting under Express, with Redis',
  servers: servers('none', 'ours, Redis', 'express-rate-limit, Redis', 'rate-limiter-flexible, Redis'),
  ceiling: 'none',
  ours: 'ours, Redis',
  rounds,
  seconds,
});
