/** cacheResponse against the same application without it: random applications, clients and times on a fake clock. */
import fc from '../support/fast-check.js';
import type { Beside, Shape } from '../support/cache/application.js';
import { Differential, endAll, type Asked } from '../support/cache/differential.js';
import type { Resource } from '../support/cache/resource.js';
import { fuzz, type Tally } from './harness.js';

afterAll(endAll);

const SHARED = ['public', 's-maxage=10'];

const resource: fc.Arbitrary<Resource> = fc
  .record({
    kind: fc.constantFrom<Resource['kind'][]>(
      ...(['plain', 'writes', 'late', 'late', 'stream', 'empty', 'send', 'json', 'file', 'file', 'redirect'] as const),
    ),
    status: fc.constantFrom(200, 200, 200, 200, 200, 200, 203, 301, 404, 500),
    freshness: fc.constantFrom(
      '',
      'max-age=0',
      'max-age=5',
      'max-age=5',
      'max-age=60',
      'max-age=60',
      'no-cache',
      'no-store',
      's-maxage=10',
    ),
    more: fc.constantFrom('', '', '', 'public', 'public', 'private', 'must-revalidate'),
    isStaleServed: fc.boolean(),
    isCovered: fc.boolean(),
    vary: fc.uniqueArray(fc.constantFrom('accept-language', 'x-tenant', 'origin', 'cookie', 'x-absent'), {
      maxLength: 2,
    }),
    validator: fc.constantFrom('none' as const, 'strong' as const, 'strong' as const, 'weak' as const),
    isConditional: fc.boolean(),
    shows: fc.uniqueArray(
      fc.constantFrom('host' as const, 'x-forwarded-host' as const, 'cookie' as const, 'authorization' as const),
      { maxLength: 3 },
    ),
    form: fc.constantFrom('setHeader' as const, 'object' as const, 'flat' as const),
    lines: fc.array(fc.constantFrom('a', 'b', 'c, d'), { maxLength: 3 }),
    removes: fc.boolean(),
    setsCookie: fc.constantFrom(false, false, true),
    fails: fc.constantFrom<Resource['fails'][]>('never', 'never', 'never', 'tears', 'destroys', 'next', 500, 503),
  })
  .map(({ freshness, more, isStaleServed, isCovered, shows, setsCookie, ...rest }) => {
    const directives = [
      freshness,
      more,
      isStaleServed ? 'stale-while-revalidate=5' : '',
      isCovered ? 'stale-if-error=20' : '',
    ].filter((one) => one !== '');
    const isForEveryone = directives.some((one) => SHARED.includes(one));
    const isKept = !directives.includes('no-store') && !directives.includes('private') && freshness !== '';
    return {
      ...rest,
      directives,
      lifetime: isKept ? Number(/age=(\d+)/.exec(freshness)?.[1] ?? 0) : 0,
      stale: isKept && isStaleServed ? 5 : 0,
      covers: isKept && isCovered ? 20 : 0,
      // A response for everyone must not show its user: the application promises that.
      shows: shows.filter((one) => !(isForEveryone && (one === 'cookie' || one === 'authorization'))),
      setsCookie: setsCookie && !isForEveryone,
    };
  });

const beside = (...names: Beside[]): fc.Arbitrary<Beside[]> =>
  fc.uniqueArray(fc.constantFrom(...names), { maxLength: 3 });

const shape: fc.Arbitrary<Shape> = fc.record({
  framework: fc.constantFrom<Shape['framework'][]>('Express 5', 'Express 5', 'Express 4', 'compose', 'http2'),
  mount: fc.constantFrom<Shape['mount'][]>('root', 'root', 'cache / sub-application', 'sub-application / cache'),
  outer: beside('fields', 'fields', 'helmet', 'cors', 'compression', 'rewrite'),
  inner: beside('helmet', 'cors', 'compression'),
});

/** One of the values; absent `rarity` times as often. */
const optional = <T extends string>(rarity: number, ...values: T[]): fc.Arbitrary<T | undefined> =>
  fc.oneof(
    { weight: rarity, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom<T[]>(...values) },
  );

/** The fields that a client sends with every request. */
const client = fc
  .record({
    host: fc.constantFrom('a.example', 'a.example', 'b.example'),
    'accept-language': optional(2, 'de, fr', 'fr, de', 'DE,fr', 'de;q=x', 'de'),
    'accept-encoding': optional(1, 'gzip', 'gzip', 'identity'),
    'x-tenant': optional(2, 'acme', ',acme', 'a, b', 'a,b'),
    'x-region': optional(3, 'eu', 'us'),
    origin: optional(2, 'https://a.example', 'https://a.example,', 'https://b.example'),
    cookie: optional(3, 'sid=ada', 'sid=bob'),
    authorization: optional(5, 'Bearer ada', 'Bearer bob'),
    'x-forwarded-host': optional(5, 'evil.example', ', a.example'),
  })
  .map(
    (all) =>
      Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>,
  );

type Request = Omit<Asked, 'headers'> & { readonly demand: string | undefined };

const request = (methods: readonly string[]): fc.Arbitrary<Request> =>
  fc.record({
    path: fc.constantFrom(0, 0, 0, 1),
    method: fc.constantFrom(...methods),
    client: fc.nat({ max: 2 }),
    demand: optional(5, 'no-cache', 'max-age=0', 'max-stale=5', 'only-if-cached', 'no-store', 'min-fresh=2'),
    sends: fc.constantFrom<Asked['sends'][]>(
      'nothing',
      'nothing',
      'nothing',
      'If-None-Match',
      'If-Modified-Since',
      'If-Range',
    ),
    range: optional(6, 'bytes=0-3', 'bytes=2-', 'bytes=-2', 'bytes=0-0,3-4', 'bytes=900-', 'bytes=x'),
    leaves: optional(20, 'now', 'head'),
  });

const SAFELY = [...Array<string>(8).fill('GET'), 'HEAD', 'OPTIONS'];
const one = request([...SAFELY, 'POST', 'DELETE']);

type Step =
  | { readonly do: 'ask'; readonly all: readonly Request[]; readonly meanwhile?: Meanwhile | undefined }
  | { readonly do: 'change'; readonly path: number }
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: 'purge'; readonly purge: Purge };
interface Purge {
  readonly how: 'url' | 'tag' | 'soft' | 'pattern';
  readonly path: number;
}
type Meanwhile = 'change' | Purge;

const path = fc.nat({ max: 1 });
const purge = fc.record({ how: fc.constantFrom<Purge['how'][]>('url', 'tag', 'soft', 'pattern'), path });
const several = fc.record({
  do: fc.constant('ask' as const),
  all: fc.array(request(SAFELY), { minLength: 2, maxLength: 6 }),
  meanwhile: fc.oneof(fc.constant(undefined), fc.constant('change' as const), purge),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('ask' as const), all: one.map((only) => [only]) }) },
  { weight: 4, arbitrary: several },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('change' as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 12_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), purge }) },
);

async function take(rig: Differential, clients: ReadonlyArray<Record<string, string>>, one: Step): Promise<number> {
  if (one.do === 'tick') rig.clock.tick(one.ms);
  else if (one.do === 'change') rig.change(one.path);
  else if (one.do === 'purge') await rig.purge(one.purge.how, one.purge.path);
  else {
    // Together, so that they may share an answer. The oracle asks the bare application one after the other.
    const asked = one.all.map(({ demand, client: who, ...rest }) => {
      const own = who % clients.length;
      return {
        ...rest,
        client: own,
        headers: { ...clients[own], ...(demand !== undefined && { 'cache-control': demand }) },
      };
    });
    const { meanwhile } = one;
    await rig.askAll(asked, meanwhile && (() => interfere(rig, meanwhile)));
    return one.all.length;
  }
  return 0;
}

async function interfere(rig: Differential, meanwhile: Meanwhile): Promise<void> {
  if (meanwhile === 'change') rig.change(0);
  else await rig.purge(meanwhile.how, meanwhile.path);
}

function add(tally: Tally, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) tally[name] = (tally[name] ?? 0) + count;
}

fuzz(
  'cache',
  [
    {
      title: 'a cached answer is one the bare application gave to this request within the freshness it stated',
      arbitrary: fc.record({
        shape,
        resources: fc.tuple(resource, resource),
        // Few clients who ask often: answers can only be shared by requests that are alike.
        clients: fc.array(client, { minLength: 1, maxLength: 3 }),
        steps: fc.array(step, { minLength: 10, maxLength: 50 }),
      }),
      check: async ({ shape, resources, clients, steps }, tally) => {
        const rig = new Differential(shape, resources, {});
        await rig.start();
        try {
          let requests = 0;
          for (const one of steps) requests += await take(rig, clients, one);
          const { hits, staleHits, misses, revalidated, bypassed, refreshes, failures, collapsed, errorsCovered } =
            rig.cache.stats();
          add(tally, { requests, hits: hits + staleHits, collapsed, revalidated, errorsCovered });
          expect(failures).toBe(0);
          expect(rig.cache.stats()).toMatchObject({ inFlight: 0, waiting: 0 });
          const counted = misses + revalidated + bypassed + refreshes + errorsCovered;
          expect(rig.handled).toBeLessThanOrEqual(counted + rig.uncounted);
        } finally {
          rig.cache.close();
        }
      },
    },
  ],
  0.5,
);
