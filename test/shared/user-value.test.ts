import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc, { anyCharacter } from '../support/fast-check.js';
import ts from 'typescript';
import { asError, messageOf } from '../../src/shared/errors.js';
import { callGuarded } from '../../src/shared/listeners.js';
import {
  describeValue,
  errorName,
  isError,
  ownResult,
  propertyOf,
  shorten,
  watchSettled,
} from '../../src/shared/user-value.js';
import { everyHostileValue, hostileMakers } from '../support/hostile-values.js';

const anything = fc.oneof(
  hostileMakers,
  fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }).map((value) => () => value),
);

test('describes any value in bounded text and never throws', () => {
  fc.assert(
    fc.property(anything, fc.integer({ min: 2, max: 2000 }), (make, max) => {
      const value = make();
      const text = describeValue(value, max);
      expect(typeof text).toBe('string');
      expect(text.length).toBeLessThanOrEqual(max);
      expect(messageOf(value).length).toBeLessThanOrEqual(1024);
      const error = asError(value);
      expect(Object.prototype.toString.call(error)).toBe('[object Error]');
      expect(typeof messageOf(error)).toBe('string');
      expect(['string', 'undefined']).toContain(typeof errorName(value));
      expect(typeof isError(value)).toBe('boolean');
      propertyOf(value, 'message');
      const calls: unknown[] = [];
      expect(typeof watchSettled(value, () => calls.push(1))).toBe('boolean');
    }),
  );
});

test.each([
  [new TypeError('told'), 'told'],
  ['text', 'text'],
  [42, '42'],
  [Symbol('s'), 'Symbol(s)'],
  [null, 'null'],
  [Object.assign(Object.create(null) as object, { message: 'of a bare object' }), 'of a bare object'],
  [Object.create(null), '[object Object]'],
  [new URL('http://a/'), 'http://a/'],
])('describes %p', (value, text) => {
  expect(describeValue(value)).toBe(text);
});

const isWellFormed = (text: string): boolean => Buffer.from(text).toString() === text;

test('never splits a surrogate pair', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, minLength: 1 }), fc.integer({ min: 2, max: 20 }), (text, max) => {
      if (isWellFormed(text)) expect(isWellFormed(shorten(text, max))).toBe(true);
    }),
  );
});

/**
 * Prints the rejections that Node reports as unhandled, for each use of a promise, watched or not. It runs in a process
 * of its own, because Jest takes unhandled rejections for failures.
 */
const PROGRAM = `
import { watchSettled } from './user-value.mjs';
const uses = {
  'left alone': () => undefined,
  awaited: async (promise) => { try { await promise; } catch {} },
  then: (promise) => void promise.then(undefined, () => undefined),
  catch: (promise) => void promise.catch(() => undefined),
  finally: (promise) => void promise.finally(() => undefined),
  returned: (promise) => void (async () => promise)().catch(() => undefined),
  combined: (promise) => void Promise.allSettled([promise]),
  resolved: (promise) => void new Promise((resolve) => resolve(promise)).catch(() => undefined),
  late: async (promise) => { await reported(); promise.catch(() => undefined); },
};
const makers = {
  rejecting: async () => { await Promise.resolve(); throw 'boom'; },
  rejected: async () => { throw 'boom'; },
};
// Node reports a rejection once the microtasks of a turn have run, and one handled late in the turn after.
const turn = () => new Promise((resolve) => setImmediate(resolve));
const reported = async () => { for (let i = 0; i < 3; i++) await turn(); };
let unhandled = 0, handledLate = 0;
process.on('unhandledRejection', () => unhandled++).on('rejectionHandled', () => handledLate++).on('warning', () => {});
const rows = [];
for (const [use, run] of Object.entries(uses)) {
  for (const [maker, make] of Object.entries(makers)) {
    for (const times of [0, 1, 2]) {
      unhandled = handledLate = 0;
      const promise = make();
      let heard = 0;
      for (let i = 0; i < times; i++) watchSettled(promise, () => heard++, { isFresh: i === 0 });
      await run(promise);
      await reported();
      rows.push({ use, maker, times, heard, unhandled, handledLate });
    }
  }
}
unhandled = 0;
const seen = makers.rejecting();
seen.catch(() => undefined);
watchSettled(seen, () => undefined);
await reported();
rows.push({ use: 'handled before', times: 1, heard: 1, unhandled, handledLate: 0 });
console.log(JSON.stringify(rows));
`;

interface Row {
  readonly use: string;
  readonly maker: string;
  readonly times: number;
  readonly heard: number;
  readonly unhandled: number;
  readonly handledLate: number;
}

test('a rejection is reported as unhandled exactly where it would be without the watcher', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'user-value-'));
  try {
    const source = await readFile('src/shared/user-value.ts', 'utf8');
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    await writeFile(join(folder, 'user-value.mjs'), ts.transpile(source, options));
    await writeFile(join(folder, 'program.mjs'), PROGRAM);
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'program.mjs')]);
    const rows = JSON.parse(stdout) as Row[];
    expect(rows).toHaveLength(55);
    for (const row of rows) {
      const unwatched = rows.find(({ use, maker, times }) => use === row.use && maker === row.maker && times === 0);
      expect(row).toEqual({ ...row, heard: row.times });
      expect(row).toEqual({ ...row, unhandled: unwatched?.unhandled ?? 0, handledLate: unwatched?.handledLate ?? 0 });
    }
    expect(rows.filter(({ unhandled }) => unhandled === 1)).toHaveLength(18); // left alone, finally and late
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Does its work when `then` is called, and counts. */
class LazyQuery {
  runs = 0;
  constructor(readonly fails: boolean) {}
  then<R>(
    onFulfilled?: ((rows: number) => R) | null,
    onRejected?: ((reason: unknown) => R) | null,
  ): Promise<R | number> {
    this.runs++;
    const work = this.fails ? Promise.reject<number>(new Error('no table')) : Promise.resolve(this.runs);
    return work.then(onFulfilled, onRejected);
  }
}

test('a lazy thenable runs when its owner awaits it, once, and inside `around`', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.nat(3), async (fails, awaits) => {
      const query = new LazyQuery(fails);
      const heard: unknown[][] = [];
      let around = 0;
      const watched = watchSettled(query, (...rejection) => heard.push(rejection), {
        around: (call) => {
          around++;
          return call();
        },
      });
      expect(watched).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
      expect(query.runs).toBe(0);
      for (let i = 0; i < awaits; i++) await query.then(undefined, () => undefined);
      expect(query.runs).toBe(awaits);
      expect(heard).toHaveLength(Math.min(1, awaits));
      expect(around).toBe(Math.min(1, awaits));
      expect(Object.hasOwn(query, 'then')).toBe(awaits === 0);
    }),
  );
});

test('a thenable that cannot be watched is left alone', () => {
  const calls: unknown[] = [];
  const frozen = Object.freeze({ then: () => calls.push('then') });
  const accessor = Object.defineProperty({}, 'then', { get: () => calls.push('get') });
  expect(watchSettled(frozen, () => calls.push('settled'))).toBe(false);
  expect(watchSettled(accessor, () => calls.push('settled'))).toBe(false);
  expect(calls).toEqual([]);
});

test('a subclass of Promise is not asked to construct anything', async () => {
  let made = 0;
  class Counted<T> extends Promise<T> {
    constructor(executor: ConstructorParameters<typeof Promise<T>>[0]) {
      super(executor);
      made++;
    }
  }
  const promise = Counted.resolve(1);
  const before = made;
  const settled = new Promise<void>((resolve) => watchSettled(promise, () => resolve()));
  await settled;
  expect(made).toBe(before);
  expect(promise.constructor).toBe(Counted);
});

test('what a listener throws, rejects with or returns becomes a warning at most', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  for (const value of everyHostileValue()) {
    callGuarded('a', () => {
      throw value;
    });
    callGuarded('b', () => value);
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is the point
    callGuarded('c', () => Promise.reject(value));
    ownResult(value, () => undefined);
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(warn.mock.calls.length).toBeGreaterThanOrEqual(2 * everyHostileValue().length);
  warn.mockRestore();
});

test('a query that a listener returns runs once', async () => {
  const query = new LazyQuery(false);
  callGuarded('a', () => query);
  await new Promise((resolve) => setImmediate(resolve));
  expect(query.runs).toBe(1);
});
