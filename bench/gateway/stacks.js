// The gateways compared: the kit's middleware in every combination that people mount, and what they would use instead.
// Each is a listener (or a server) in front of one origin.
import { cacheResponse, compose, healthEndpoints, proxyBalanced, rateLimit, trace } from '@tooloo/resilience';
import express from 'express';
import express4 from 'express4';
import { rateLimit as expressRateLimit } from 'express-rate-limit';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent, createServer } from 'node:http';
import { proxies } from '../routing/proxies.js';
import { answering, relay } from './floors.js';

/** The middleware in the order the README mounts them. */
const parts = {
  trace: () => trace({ serviceName: 'gateway' }),
  health: () => healthEndpoints(),
  limit: (limit) => rateLimit({ rateLimit: limit, refillRate: limit }),
  cache: () => cacheResponse(),
};

/** The floor of tracing: carries an object to everything a request starts, and does nothing else. */
function carryingAlone() {
  const storage = new AsyncLocalStorage();
  return (req, _res, next) => storage.run(req, next);
}
parts['AsyncLocalStorage'] = carryingAlone;

const chain = (names, origin, limit) => [
  ...names.map((name) => parts[name](limit)),
  proxyBalanced({ targets: [origin] }),
];

const composed = (names) => (origin, limit) => createServer(compose(...chain(names, origin, limit)));

const under = (framework, names) => (origin, limit) => {
  const app = framework();
  for (const middleware of chain(names, origin, limit)) app.use(middleware);
  return createServer(app);
};

const ALL = ['trace', 'health', 'limit', 'cache'];

const peerProxy = (origin) => createProxyMiddleware({ target: origin, agent: new Agent({ keepAlive: true }) });

/** The limiter and proxy a user of Express would mount; with OpenTelemetry when `server.js` has registered it before. */
const withPeers = (origin, limit) =>
  createServer(
    express()
      .use(expressRateLimit({ windowMs: 1000, limit, standardHeaders: 'draft-8', legacyHeaders: false }))
      .use(peerProxy(origin)),
  );

/** By name: makes the server from the URL of the origin and the requests a second that a client may send. */
export const stacks = {
  'proxy alone': composed([]),
  'with AsyncLocalStorage alone': composed(['AsyncLocalStorage']),
  'with trace': composed(['trace']),
  'with health': composed(['health']),
  'with limit': composed(['limit']),
  'with cache': composed(['cache']),
  'with limit and cache': composed(['limit', 'cache']),
  'with trace and limit': composed(['trace', 'limit']),
  'with trace and cache': composed(['trace', 'cache']),
  'all five': composed(ALL),
  'all five, Express': under(express, ALL),
  'all five, Express 4': under(express4, ALL),
  'proxy alone, Express': under(express, []),
  'http-proxy-middleware': proxies['http-proxy-middleware'],
  '@fastify/http-proxy': proxies['@fastify/http-proxy'],
  'http-proxy-middleware, express-rate-limit, OpenTelemetry': withPeers,
  'bare undici': proxies['bare undici'],
  'sockets of Node alone': relay,
  'HTTP server of Node alone': answering,
};
