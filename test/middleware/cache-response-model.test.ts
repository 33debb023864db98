/** cacheResponse against a model of what a cache may know: any sequence of requests, changes, invalidations and time. */
import fc from '../support/fast-check.js';
import { cacheRig, settled } from '../support/cache-rig.js';

const PATHS = ['/short', '/long', '/checked'] as const;
type Path = (typeof PATHS)[number];

/** Milliseconds of freshness by path; `/checked` has to be validated each time. */
const LIFETIME: Readonly<Record<Path, number>> = { '/short': 5_000, '/long': 60_000, '/checked': 0 };
const DIRECTIVES: Readonly<Record<Path, string>> = {
  '/short': 'max-age=5',
  '/long': 'max-age=60, must-revalidate',
  '/checked': 'no-cache',
};

interface Known {
  readonly version: number;
  readonly since: number;
  readonly isStale: boolean;
}

type Step =
  | { readonly do: 'get'; readonly path: Path; readonly language: string; readonly condition: boolean }
  | { readonly do: 'change' | 'post' | 'purge'; readonly path: Path }
  | { readonly do: 'soft' | 'all' }
  | { readonly do: 'tick'; readonly ms: number };

const path = fc.constantFrom(...PATHS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('get' as const),
      path,
      language: fc.constantFrom('en', 'de'),
      condition: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('change' as const, 'post' as const, 'purge' as const), path }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('soft' as const, 'all' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 40_000 }) }) },
);

test('serves what it may, asks the origin when it must, and never what was invalidated', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const versions = new Map<Path, number>(PATHS.map((one) => [one, 1]));
      const rig = await cacheRig(
        (req, res) => {
          const asked = req.url as Path;
          if (req.method === 'POST') {
            versions.set(asked, versions.get(asked)! + 1);
            return void res.writeHead(204).end();
          }
          const etag = `"${versions.get(asked)}"`;
          const headers = { 'Cache-Control': DIRECTIVES[asked], ETag: etag, Vary: 'Accept-Language' };
          if (req.headers['if-none-match'] === etag) return void res.writeHead(304, headers).end();
          res.writeHead(200, headers).end(String(versions.get(asked)));
        },
        { tags: ['everything'] },
      );
      const known = new Map<string, Known>();
      /** Paths, or variants of an indexed path, for which a client got a 304 although nothing was stored. */
      const asksForWhole = new Set<string>();
      const indexed = new Set<Path>();
      const forget = (gone: string): void => {
        for (const key of known.keys()) if (key.startsWith(gone)) known.delete(key);
      };
      const forgetPath = (gone: Path): void => {
        forget(gone);
        indexed.delete(gone);
        // The variants of a new index have other keys.
        for (const key of asksForWhole) if (key.startsWith(`${gone} `)) asksForWhole.delete(key);
      };
      for (const one of steps) {
        switch (one.do) {
          case 'tick':
            rig.clock.tick(one.ms);
            break;
          case 'change':
            versions.set(one.path, versions.get(one.path)! + 1);
            break;
          case 'post':
            await rig.ask(one.path, { method: 'POST' });
            forgetPath(one.path);
            break;
          case 'purge':
            await rig.cache.purge(one.path);
            forgetPath(one.path);
            break;
          case 'all':
            await rig.cache.purgeTag('everything');
            forget('');
            break;
          case 'soft':
            await rig.cache.purgeTag('everything', { soft: true });
            for (const [key, entry] of known) known.set(key, { ...entry, isStale: true });
            break;
          case 'get': {
            const key = `${one.path} ${one.language}`;
            const entry = known.get(key);
            const now = rig.clock.now();
            const isFresh = entry !== undefined && !entry.isStale && now - entry.since < LIFETIME[one.path];
            const expected = isFresh ? entry.version : versions.get(one.path)!;
            const before = rig.seen.length;
            const headers = {
              'Accept-Language': one.language,
              ...(one.condition && { 'If-None-Match': `"${expected}"` }),
            };
            const answer = await rig.ask(one.path, { headers });
            expect([answer.status, answer.headers.etag]).toEqual([one.condition ? 304 : 200, `"${expected}"`]);
            expect(answer.body).toBe(one.condition ? '' : String(expected));
            expect(rig.seen.length - before).toBe(isFresh ? 0 : 1);
            await settled();
            if (isFresh) break;
            // If nothing is stored, the first request keeps the client's conditions, and a 304 brings nothing to store. The
            // next request then gets the whole response.
            const asked = indexed.has(one.path) ? key : one.path;
            if (one.condition && entry === undefined && !asksForWhole.has(asked)) asksForWhole.add(asked);
            else {
              known.set(key, { version: expected, since: now, isStale: false });
              indexed.add(one.path);
              asksForWhole.delete(asked);
            }
            break;
          }
        }
      }
      expect(rig.cache.stats()).toMatchObject({ failures: 0, inFlight: 0, waiting: 0 });
      await rig.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);
