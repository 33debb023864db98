/** Faults of what several machines share, Redis and PostgreSQL, and of the network in between: `npm run test:chaos`. */
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { PostgresServer } from '../support/postgres-server.js';
import { RedisServer } from '../support/redis-server.js';
import { Catalogue, lasting, UNLIMITED, type Outcome } from './catalogue.js';
import { FaultyLink } from './faulty-link.js';

jest.setTimeout(180_000);

const catalogue = new Catalogue();
let redis: RedisServer;
let postgres: PostgresServer;
let toRedis: FaultyLink;
let toPostgres: FaultyLink;
let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  redis = await RedisServer.start();
  postgres = await PostgresServer.create();
  toRedis = await FaultyLink.to(redis.port);
  const url = new URL(postgres.url);
  toPostgres = await FaultyLink.to(Number(url.port));
  url.port = String(toPostgres.port);
  fleet = await startFleet({
    ...UNLIMITED,
    REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
    DATABASE_URL: url.href,
  });
  web = await fleet.urlOf('web');
});

afterAll(async () => {
  await fleet.stop();
  await Promise.all([toRedis.close(), toPostgres.close()]);
  await Promise.all([redis.stop(), postgres.remove()]);
  catalogue.print();
});

function fault(name: string, run: () => Promise<void>): Promise<Outcome> {
  return catalogue.suffer(web, { name, run });
}

/** A link is broken for a while. */
async function broken(link: FaultyLink, how: (link: FaultyLink) => void): Promise<void> {
  how(link);
  await lasting();
  link.heal();
}

/** A link resets its connections again and again, even in the middle of a transfer. */
async function torn(link: FaultyLink): Promise<void> {
  const tearing = setInterval(() => link.tear(), 100);
  await lasting();
  clearInterval(tearing);
}

describe('Redis', () => {
  test.each<[string, () => Promise<void>]>([
    [
      'is killed and started again',
      async () => {
        await redis.kill();
        await lasting();
        await redis.start();
      },
    ],
    ['cannot be reached', () => broken(toRedis, (link) => link.cut())],
    ['stops answering', () => broken(toRedis, (link) => link.silence())],
    ['is behind a network that takes 100 ms', () => broken(toRedis, (link) => link.slow(50))],
    ['is behind a network that tears ten times a second', () => torn(toRedis)],
  ])('%s: no request fails', async (what, run) => {
    const { failures } = await fault(`Redis ${what}`, run);
    expect(failures).toEqual({});
  });
});

describe('PostgreSQL', () => {
  test.each<[string, () => Promise<void>]>([
    [
      'is killed and started again',
      async () => {
        await postgres.stop('kill');
        await lasting();
        await postgres.start();
      },
    ],
    ['does not answer for 5 s', () => broken(toPostgres, (link) => link.silence())],
    ['is behind a network that takes 100 ms', () => broken(toPostgres, (link) => link.slow(50))],
    ['is behind a network that tears ten times a second', () => torn(toPostgres)],
  ])('%s: nothing acknowledged is lost', async (what, run) => {
    await fault(`PostgreSQL ${what}`, run);
  });
});
