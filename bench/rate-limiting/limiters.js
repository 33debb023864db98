// The limiters compared, each as its documentation says: 1,000,000 requests in 10 seconds for each client address,
// draft header fields.
import { rateLimit } from '@tooloo/resilience/rate-limit';
import { RedisStore } from '@tooloo/resilience/redis';
import { rateLimit as expressRateLimit } from 'express-rate-limit';
import { Redis } from 'ioredis';
import { RedisStore as PeerRedisStore } from 'rate-limit-redis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';

const LIMIT = 1_000_000;
const SECONDS = 10;
/** Clients that come in turn, where the key is built per request. */
const KEYS = 10_000;

/** The middleware of rate-limiter-flexible's documentation, with the header fields the others write. */
function flexible(limiter) {
  const policy = `"default";q=${LIMIT};w=${SECONDS}`;
  return (req, res, next) => {
    limiter.consume(req.ip).then(
      ({ remainingPoints, msBeforeNext }) => {
        res.setHeader('RateLimit-Policy', policy);
        res.setHeader('RateLimit', `"default";r=${remainingPoints};t=${Math.ceil(msBeforeNext / 1000)}`);
        next();
      },
      () => res.status(429).send('Too Many Requests'),
    );
  };
}

/** The floor: two fixed header fields, and no decision. */
function fieldsAlone(_req, res, next) {
  res.setHeader('RateLimit-Policy', `"default";q=${LIMIT};w=${SECONDS}`);
  res.setHeader('RateLimit', `"default";r=${LIMIT};t=0`);
  next();
}

/** By name: makes the middleware; the argument is the URL of Redis. */
export const limiters = {
  none: () => undefined,
  'header fields alone': () => fieldsAlone,
  ours: () => rateLimit({ rateLimit: LIMIT, refillRate: LIMIT / SECONDS }),
  'one key': () => rateLimit({ rateLimit: LIMIT, refillRate: LIMIT / SECONDS, key: () => 'client' }),
  'keys built per request': () => {
    let next = 0;
    const key = () => 'k' + (next = (next + 1) % KEYS);
    return rateLimit({ rateLimit: LIMIT, refillRate: LIMIT / SECONDS, key });
  },
  'express-rate-limit': () =>
    expressRateLimit({ windowMs: SECONDS * 1000, limit: LIMIT, standardHeaders: 'draft-8', legacyHeaders: false }),
  'rate-limiter-flexible': () => flexible(new RateLimiterMemory({ points: LIMIT, duration: SECONDS })),
  'ours, Redis': (url) =>
    rateLimit({
      rateLimit: LIMIT,
      refillRate: LIMIT / SECONDS,
      store: new RedisStore({ client: new Redis(url), prefix: '{bench-ours}:' }),
    }),
  'express-rate-limit, Redis': (url) => {
    const client = new Redis(url);
    return expressRateLimit({
      windowMs: SECONDS * 1000,
      limit: LIMIT,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      store: new PeerRedisStore({ sendCommand: (...args) => client.call(...args), prefix: 'bench-erl:' }),
    });
  },
  'rate-limiter-flexible, Redis': (url) =>
    flexible(
      new RateLimiterRedis({ storeClient: new Redis(url), points: LIMIT, duration: SECONDS, keyPrefix: 'bench-rlf' }),
    ),
};
