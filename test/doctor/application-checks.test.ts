/** The doctor over real applications: each mistake is found, and an application without one is left alone. */
import express from 'express';
import express4 from 'express4';
import { Redis } from 'ioredis';
import { examineApplication } from '../../src/doctor/application-checks.js';
import { FINDINGS } from '../../src/doctor/findings.js';
import {
  cacheResponse,
  compose,
  healthEndpoints,
  proxyBalanced,
  rateLimit,
  trace,
} from '../../src/middleware/index.js';
import { RedisStore } from '../../src/redis.js';

const open: Array<{ close(): unknown }> = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function kept<T extends { close(): unknown }>(one: T): T {
  open.push(one);
  return one;
}

const parts = {
  trace: () => kept(trace()),
  health: (options = {}) => kept(healthEndpoints(options)),
  limit: (options = {}) => kept(rateLimit(options)),
  cache: (options = {}) => kept(cacheResponse(options)),
  proxy: () => kept(proxyBalanced({ targets: ['http://127.0.0.1:9'] })),
};

/** As express-session names its function. */
const session: express.RequestHandler = function session(_req, _res, next) {
  next();
};

const page: express.RequestHandler = (_req, res) => void res.send('page');

async function codesOf(application: unknown): Promise<string[]> {
  const found = await examineApplication(application);
  for (const { code, severity, page: section } of found) {
    expect(severity).toBe(FINDINGS[code][0]);
    expect(section).toBe(`docs/doctor.md#${code.toLowerCase()}`);
  }
  return found.map(({ code }) => code.replace('TOOLOO_DOCTOR_', ''));
}

describe.each<[string, typeof express]>([
  ['Express 5', express],
  ['Express 4', express4],
])('%s', (_name, framework) => {
  const behindProxy = () => framework().set('trust proxy', 1);

  test('the lines of the README, in their order, are right', async () => {
    const { trace: t, health, limit, cache } = parts;
    const app = behindProxy().use(t()).use(health()).use(limit()).use(cache()).use(session).get('/', page);
    expect(await codesOf(app)).toEqual([]);
    expect(await codesOf(behindProxy().use(t(), health(), limit(), cache()).get('/', page))).toEqual([]);
  });

  test('middleware in the wrong order', async () => {
    const app = behindProxy().use(parts.cache()).use(parts.limit()).use(parts.health()).use(parts.trace());
    const found = await examineApplication(app);
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining('rateLimit is mounted before trace'),
      expect.stringContaining('cacheResponse is mounted before trace'),
      expect.stringContaining('rateLimit is mounted before healthEndpoints'),
      expect.stringContaining('cacheResponse is mounted before rateLimit'),
    ]);
  });

  test('order matters only for requests that both see', async () => {
    const app = behindProxy().use('/images', parts.cache());
    app.use('/api', parts.limit()).use(parts.health());
    expect(await codesOf(app)).toEqual([]); // no probe is below /api
    const apart = behindProxy().use(parts.health()).use('/images', parts.cache()).use('/api', parts.limit());
    expect(await codesOf(apart)).toEqual([]);
  });

  test('middleware behind the routes it is for, also in a router', async () => {
    const app = behindProxy().use(parts.health()).get('/', page).use(parts.limit());
    expect(await codesOf(app)).toEqual(['ORDER']);
    const router = framework.Router().get('/list', page).use(parts.limit());
    expect(await codesOf(behindProxy().use(parts.health()).use('/shop', router))).toEqual(['ORDER']);
    const late = behindProxy().use(parts.health()).get('/', page).use('/api', parts.limit());
    expect(await codesOf(late)).toEqual([]);
  });

  test('one middleware twice', async () => {
    const limit = parts.limit();
    const app = behindProxy().use(parts.health()).use(limit).use('/api', limit);
    expect(await codesOf(app)).toEqual(['TWICE']);
  });

  test('a cache that ignores cookies beside sessions', async () => {
    const app = behindProxy()
      .use(parts.health())
      .use(parts.cache({ cookies: 'ignore' }))
      .use(session);
    expect(await codesOf(app)).toEqual(['CACHE_SESSIONS']);
    expect(
      await codesOf(
        behindProxy()
          .use(parts.health())
          .use(parts.cache({ cookies: 'ignore' })),
      ),
    ).toEqual([]);
  });

  test('proxy trust: none, all, and two that differ', async () => {
    const app = () => framework().use(parts.health());
    expect(await codesOf(app().use(parts.limit()))).toEqual(['TRUST_NONE']);
    expect(await codesOf(app().set('trust proxy', true).use(parts.limit()))).toEqual(['TRUST_ALL']);
    expect(await codesOf(app().use(parts.limit({ trustProxy: true, warnings: false })))).toEqual(['TRUST_ALL']);
    expect(
      await codesOf(
        app()
          .set('trust proxy', 1)
          .use(parts.limit({ trustProxy: 2 })),
      ),
    ).toEqual(['TRUST_DIFFERS']);
    expect(await codesOf(app().use(parts.limit({ key: () => 'one' })))).toEqual([]);
  });

  test('health: none, open to everybody, and a route of the application', async () => {
    expect(await codesOf(framework())).toEqual(['NO_HEALTH']);
    expect(await codesOf(framework().use(parts.health({ details: 'always' })))).toEqual(['DETAILS_OPEN']);
    expect(await codesOf(framework().use(parts.health()).get('/health', page))).toEqual(['HEALTH_ROUTE']);
  });

  test('behind compose', async () => {
    const app = behindProxy().get('/', page);
    expect(await codesOf(compose(parts.trace(), parts.health(), parts.limit({ trustProxy: 1 }), app))).toEqual([]);
    expect(await codesOf(compose(parts.health(), parts.proxy(), parts.trace()))).toEqual(['ORDER']);
  });
});

test('a store that does not answer, and one that does', async () => {
  const unreachable = new Redis({ port: 1, lazyConnect: true, retryStrategy: null, enableOfflineQueue: false });
  unreachable.on('error', () => undefined);
  const app = express().use(parts.health());
  app.use(parts.limit({ trustProxy: 1, store: new RedisStore({ client: unreachable }) }));
  const found = await examineApplication(app);
  unreachable.disconnect();
  expect(found.map(({ code }) => code)).toEqual(['TOOLOO_DOCTOR_STORE_UNREACHABLE']);
});
