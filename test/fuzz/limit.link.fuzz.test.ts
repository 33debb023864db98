/** Limits hold over a link to a shared store that delays, loses and refuses what it carries. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { PATIENT } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { PostgresStore, type PostgresQueryable } from '../../src/postgres.js';
import { MemoryStore, RateLimiter, type Algorithm, type RateLimitStore } from '../../src/rate-limiting/index.js';
import { ALGORITHMS } from '../../src/rate-limiting/quota.js';
import { CUT_OFF_AFTER, EXCESS, LEAST_TOKENS } from '../../src/rate-limiting/store-outage.js';
import { RedisStore, type RedisScriptClient } from '../../src/redis.js';
import { FakeClock } from '../../src/testing.js';
import { describeWith, postgresService, redisService } from '../support/services.js';
import { fuzz, type Tally } from './harness.js';

/** What happens to one command: answered, answered too late, lost before or after it ran, refused at once. */
type Fault = 'none' | 'slow' | 'lost' | 'unanswered' | 'refused';

interface Step {
  readonly process: number;
  /** Requests at the same time. */
  readonly requests: number;
  /** Milliseconds before them. */
  readonly wait: number;
  readonly fault: Fault;
}

interface LinkScript {
  readonly processes: number;
  readonly algorithm: Algorithm;
  readonly limit: number;
  readonly refillRate: number;
  readonly steps: readonly Step[];
}

/** From this limit on, the least number of tokens does not count: EXCESS of it is more, even divided among three. */
const LARGE = 60;

/** A process whose link fails as often as `faulty` of `faulty + 3` times. */
function stepOf(process: number, faulty: number, longestWait: number): fc.Arbitrary<Step> {
  const fault = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Fault>('none') },
    { weight: faulty, arbitrary: fc.constantFrom<Fault>('slow', 'lost', 'unanswered', 'refused') },
  );
  const wait = fc.integer({ min: 0, max: longestWait });
  return fc.record({ process: fc.constant(process), requests: fc.constantFrom(1, 1, 1, 4), wait, fault });
}

/** @param longestWait milliseconds between two steps; with longer ones, more processes are cut off for long */
function linkScripts(longestWait: number): fc.Arbitrary<LinkScript> {
  const faultiness = fc.array(fc.constantFrom(0, 1, 4, 20), { minLength: 2, maxLength: 4 });
  return faultiness.chain((faulty) =>
    fc.record({
      processes: fc.constant(faulty.length),
      algorithm: fc.constantFrom<Algorithm>('token-bucket', ...ALGORITHMS),
      limit: fc.oneof(fc.integer({ min: 1, max: LARGE }), fc.integer({ min: LARGE, max: 2 * LARGE })),
      refillRate: fc.integer({ min: 0, max: 40 }),
      steps: fc.array(fc.oneof(...faulty.map((weight, process) => stepOf(process, weight, longestWait))), {
        minLength: 100,
        maxLength: 250,
      }),
    }),
  );
}

/** Sends one command. Only the script decides what fails, because a deadline would also expire on a busy machine. */
function carry<T>(fault: Fault, send: () => Promise<T>): Promise<T> {
  const late = (): never => {
    throw new Error('no answer in time');
  };
  switch (fault) {
    case 'none':
      return send();
    case 'refused':
    case 'lost':
      return Promise.reject(new Error('Connection is closed.'));
    case 'slow':
    case 'unanswered':
      return send().then(late);
  }
}

/** The link of one process, which notices as the process does when it has been cut off for long. */
class Link {
  isCutOff = false;
  #failingSince = Infinity;

  constructor(
    readonly clock: FakeClock,
    readonly id: string,
    readonly processes: number,
    private readonly fault: () => Fault,
  ) {}

  carry<T>(send: () => Promise<T>): Promise<T> {
    const fault = this.fault();
    const now = this.clock.now();
    this.#failingSince = fault === 'none' ? Infinity : Math.min(this.#failingSince, now);
    if (now - this.#failingSince >= CUT_OFF_AFTER) this.isCutOff = true;
    return carry(fault, send);
  }
}

/** The most that one limiter would admit, and the amount that the processes together may add to it. */
interface Bound {
  readonly entitled: number;
  readonly added: number;
}

/**
 * docs/rate-limiting.md, "When the store is unavailable": all processes but one may add their part, because the one that
 * asked the store last knows what is left.
 */
function bound(script: LinkScript, from: number, to: number, cutOff: number): Bound {
  const { processes, algorithm, limit, refillRate } = script;
  const returned = (refillRate * (to - from)) / 1_000;
  // Where a whole share is less than one request, each process admits one request at a time.
  const oneRequest = limit < processes ? 1 / limit : 0;
  const whole = Math.max(1 / processes, oneRequest);
  const refill = Math.max(oneRequest, Math.min(whole, EXCESS / (processes - 1)));
  const share = Math.min(whole, Math.max(refill, LEAST_TOKENS / limit));
  const most = Math.min(cutOff, processes - 1);
  const sum = (part: number): number => most * whole + (processes - 1 - most) * part;
  if (algorithm === 'token-bucket' || refillRate === 0) {
    return { entitled: limit + returned, added: sum(share) * limit + sum(refill) * returned };
  }
  // Each window may be spent whole. Without the store, every process counts with a token bucket, which knows no windows.
  const window = (limit / refillRate) * 1_000;
  const windows = Math.floor(to / window) - Math.floor(from / window) + 1;
  return { entitled: windows * limit, added: sum(share) * windows * limit + (sum(share) + whole) * returned };
}

async function limitHolds(script: LinkScript, tally: Tally, open: (link: Link) => RateLimitStore): Promise<void> {
  const { processes, algorithm, limit, refillRate, steps } = script;
  const clock = new FakeClock();
  const from = clock.now();
  let fault: Fault = 'none';
  const name = randomUUID();
  const links = Array.from({ length: processes }, () => new Link(clock, name, processes, () => fault));
  const limits = { rateLimit: limit, refillRate, algorithm };
  const limiters = links.map((link) => new RateLimiter({ ...limits, store: open(link), clock, name, warnings: false }));
  let admitted = 0;
  for (const step of steps) {
    fault = step.fault;
    clock.tick(step.wait);
    const limiter = limiters[step.process]!;
    const decisions = Array.from({ length: step.requests }, async () => limiter.isAllowed('client'));
    for (const isAdmitted of await Promise.all(decisions)) if (isAdmitted) admitted++;
  }
  const to = clock.now();
  fault = 'none';
  await Promise.all(limiters.map((limiter) => limiter.shutdown()));

  const cutOff = links.filter((link) => link.isCutOff).length;
  const count = (what: string, times = 1): number => (tally[what] = (tally[what] ?? 0) + times);
  count('decisions', steps.length);
  if (cutOff > 0) count('runs with processes cut off');
  const { entitled, added } = bound(script, from, to, cutOff);
  if (admitted > entitled + 1) count('runs above the limit');
  expect(admitted).toBeLessThanOrEqual(entitled + added);
  const isTenth = cutOff === 0 && limit >= LARGE && algorithm === 'token-bucket';
  if (isTenth) expect(admitted).toBeLessThanOrEqual(entitled * (1 + EXCESS) + 1e-6);
}

/** Milliseconds between two steps of which no process takes for an outage, and of which some do. */
const SHORT = 20;
const LONG = 300;

describe('in memory, where many sequences can be tried', () => {
  function opener(hasSpend: boolean): (link: Link) => RateLimitStore {
    let shared: { id: string; memory: MemoryStore } | undefined;
    return (link) => {
      if (shared?.id !== link.id) shared = { id: link.id, memory: new MemoryStore({ clock: link.clock }) };
      const { memory } = shared;
      const send = <T>(operation: () => T): Promise<T> => link.carry(() => Promise.resolve(operation()));
      return {
        instances: link.processes,
        algorithms: ALGORITHMS,
        take: (charges) => send(() => memory.take(charges)),
        ...(hasSpend ? { spend: (charges) => send(() => memory.spend(charges)) } : {}),
        refund: (charges) => send(() => memory.refund(charges)),
        read: (key, quota) => send(() => memory.read(key, quota)),
        write: (key, quota, tokens) => send(() => memory.write(key, quota, tokens)),
        reset: (key, quota) => send(() => memory.reset(key, quota)),
        close: () => undefined,
      };
    };
  }

  for (const [wait, hasSpend] of [
    [SHORT, true],
    [LONG, true],
    [SHORT, false],
    [LONG, false],
  ] as const) {
    const title = `steps of up to ${wait} ms, ${hasSpend ? 'with' : 'without'} spend()`;
    const check = (script: LinkScript, tally: Tally): Promise<void> => limitHolds(script, tally, opener(hasSpend));
    fuzz('limit', [{ title, arbitrary: linkScripts(wait), check }], 0.03);
  }
});
describeWith(redisService, 'with Redis', (url) => {
  const redis = new Redis(url, { lazyConnect: true });
  beforeAll(() => redis.connect());
  afterAll(() => redis.disconnect());

  function open(link: Link): RedisStore {
    const client: RedisScriptClient = {
      evalsha: (...args) => link.carry(() => redis.evalsha(...args)),
      eval: (...args) => link.carry(() => redis.eval(...args)),
    };
    const { clock, id, processes: instances } = link;
    return new RedisStore({ client, prefix: `{fuzz-${id}}:`, clock, timeout: PATIENT, instances });
  }

  async function check(script: LinkScript, tally: Tally): Promise<void> {
    let id = '';
    await limitHolds(script, tally, (link) => {
      id = link.id;
      return open(link);
    });
    const keys = await redis.keys(`?fuzz-${id}?:*`);
    if (keys.length > 0) await redis.del(...keys);
  }

  const title = 'a faulty link to Redis admits the limit and a tenth, and the shares of processes that are cut off';
  fuzz('limit', [{ title, arbitrary: fc.constantFrom(SHORT, LONG).chain(linkScripts), check }], 0.18);
});

describeWith(postgresService, 'with PostgreSQL', (url) => {
  const schema = `limit_link_${process.pid}`;
  const pool = new Pool({ connectionString: url, max: 4 });
  beforeAll(() => pool.query(`CREATE SCHEMA ${schema}; ${PostgresStore.schema(`${schema}.buckets`)}`));
  afterAll(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });

  function open(link: Link): PostgresStore {
    const faulty: PostgresQueryable = { query: (text, values) => link.carry(() => pool.query(text, values)) };
    const { clock, processes: instances } = link;
    return new PostgresStore({ pool: faulty, table: `${schema}.buckets`, clock, timeout: PATIENT, instances });
  }

  const title =
    'a faulty link to PostgreSQL admits the limit and a tenth, and the shares of processes that are cut off';
  const check = (script: LinkScript, tally: Tally): Promise<void> => limitHolds(script, tally, open);
  const arbitrary = fc.constantFrom(SHORT, LONG).chain(linkScripts);
  fuzz('limit', [{ title, arbitrary, check, batch: 3 }], 0.15);
});
