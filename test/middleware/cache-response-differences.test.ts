/** Differences between the cached and the bare application that the standing adversary found, each by name. */
import type { Shape } from '../support/cache/application.js';
import { Differential, endAll, type Asked } from '../support/cache/differential.js';
import type { Resource } from '../support/cache/resource.js';

afterAll(endAll);

const PLAIN: Resource = {
  kind: 'plain',
  status: 200,
  directives: ['max-age=5'],
  lifetime: 5,
  stale: 0,
  covers: 0,
  vary: [],
  validator: 'none',
  isConditional: false,
  shows: [],
  form: 'setHeader',
  lines: [],
  removes: false,
  setsCookie: false,
  fails: 'never',
};
const EXPRESS: Shape = { framework: 'Express 5', mount: 'root', outer: [], inner: [] };

let rig: Differential;
afterEach(() => rig.cache.close());

async function given(shape: Partial<Shape>, resource: Partial<Resource>): Promise<void> {
  rig = new Differential({ ...EXPRESS, ...shape }, [{ ...PLAIN, ...resource }], {});
  await rig.start();
}

/** Asks, and checks the answer against the bare application. */
const ask = (headers: Record<string, string> = {}, method = 'GET', meanwhile?: () => Promise<void>): Promise<void> => {
  const asked: Asked = {
    path: 0,
    method,
    client: 0,
    headers: { host: 'a.example', ...headers },
    sends: 'nothing',
  };
  return rig.askAll([asked], meanwhile);
};

test('HTTP/2: a stale response is validated', async () => {
  await given({ framework: 'http2' }, { validator: 'strong', isConditional: true });
  await ask();
  rig.clock.tick(6_000);
  await ask();
  expect(rig.cache.stats()).toMatchObject({ revalidated: 1, failures: 0 });
});

test('repeated lines are kept where middleware has removed every other field', async () => {
  await given({ inner: ['helmet'] }, { lines: ['a', 'a'] });
  await ask();
  await ask();
  expect(rig.cache.stats()).toMatchObject({ hits: 1 });
});

test.each(['outer', 'inner'] as const)(
  'a 304 without Accept-Encoding makes no encoded copy for everyone: %s',
  async (side) => {
    await given(
      { outer: side === 'outer' ? ['cors'] : [], inner: side === 'inner' ? ['compression', 'cors'] : ['compression'] },
      {
        validator: 'strong',
        isConditional: true,
      },
    );
    await ask({ 'accept-encoding': 'gzip' });
    rig.clock.tick(6_000);
    await ask({ 'accept-encoding': 'gzip' });
    await ask();
    await ask({ 'accept-encoding': 'gzip' });
    expect(rig.cache.stats()).toMatchObject({ revalidated: 1, misses: 2 });
  },
);

test('a background refresh that is cut short leaves nothing open', async () => {
  await given({}, { directives: ['max-age=5', 'stale-while-revalidate=5'], stale: 5, fails: 'tears' });
  await ask();
  rig.change(0);
  rig.change(0);
  await rig.purge('soft', 0);
  await ask();
  expect(rig.cache.stats()).toMatchObject({ refreshes: 1, inFlight: 0 });
  rig.change(0);
  await ask();
  await ask();
  expect(rig.cache.stats()).toMatchObject({ refreshes: 2, inFlight: 0 });
});

test('a HEAD with a range, which Express answers with 206, gets the head of the stored whole', async () => {
  await given({ inner: ['compression'] }, { kind: 'file', directives: ['max-age=60'], lifetime: 60 });
  await ask({ 'accept-encoding': 'gzip' });
  await ask({ 'accept-encoding': 'gzip', range: 'bytes=0-3' }, 'HEAD');
  expect(rig.cache.stats()).toMatchObject({ hits: 1 });
});

test('an error is covered although the resource is whole again before the answer arrives', async () => {
  await given({}, { directives: ['max-age=5', 'stale-if-error=20'], covers: 20, fails: 503 });
  await ask();
  rig.change(0);
  rig.change(0);
  rig.clock.tick(6_000);
  await ask({}, 'GET', async () => {
    while (rig.handled < 2) await new Promise((resolve) => setImmediate(resolve));
    rig.change(0);
  });
  expect(rig.cache.stats()).toMatchObject({ errorsCovered: 1 });
});

test.each(['compose', 'Express 5'] as const)(
  'a HEAD confirms a stored file if neither has a validator: %s',
  async (framework) => {
    await given({ framework }, { kind: 'file' });
    await ask();
    rig.change(0);
    rig.clock.tick(6_000);
    await ask({}, 'HEAD');
    await ask();
    expect(rig.cache.stats()).toMatchObject({ hits: framework === 'compose' ? 1 : 0 });
  },
);
