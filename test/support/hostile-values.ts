/** Values that user code may throw, return or attach, and that throw themselves when they are looked at. */
import { parse } from 'node:querystring';
import vm from 'node:vm';
import fc from './fast-check.js';

function refuse(): never {
  throw new Error('refused');
}

const REFUSALS: ProxyHandler<object> = {
  get: refuse,
  has: refuse,
  ownKeys: refuse,
  getPrototypeOf: refuse,
  getOwnPropertyDescriptor: refuse,
  defineProperty: refuse,
  set: refuse,
  deleteProperty: refuse,
};

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function cyclic(): object {
  const list: unknown[] = [1];
  list.push(list, { list });
  return list;
}

/** Makers, so that each use gets its own. */
const MAKERS: ReadonlyArray<() => unknown> = [
  () => parse('reason=x'),
  () => Object.create(null) as object,
  () => new Proxy({}, REFUSALS),
  () => new Proxy(new Error('inside'), REFUSALS),
  () => revoked({}),
  () => revoked([]),
  () => revoked(() => undefined),
  () => Symbol('a symbol'),
  () => 'x'.repeat(3_000_000),
  () => `${'x'.repeat(1022)}\u{1F600}`,
  () => cyclic(),
  () => ({ toString: refuse, toJSON: refuse, valueOf: refuse }),
  () => ({ toString: () => ({}), valueOf: () => ({}) }),
  () => ({
    [Symbol.toPrimitive]: refuse,
    get [Symbol.toStringTag]() {
      return refuse();
    },
  }),
  () => Object.defineProperty(new Error('m'), 'message', { get: refuse }),
  () => Object.defineProperty(new Error('m'), 'name', { get: refuse }),
  () => Object.assign(new Error('m'), { message: Symbol('m'), name: 7, stack: {} }),
  () => vm.runInNewContext('new Error("of another realm")') as unknown,
  () => Object.defineProperty({}, 'then', { get: refuse }),
  () => Object.freeze({ then: refuse }),
  () => ({ then: 'no function' }),
  () => ({ length: 2 ** 40 }),
  () => Object.defineProperty([1], 0, { get: refuse }),
  () => null,
  () => undefined,
  () => NaN,
  () => -0,
  () => 10n ** 400n,
  () => Buffer.alloc(100_000),
  () => () => refuse(),
  () => '',
  () => false,
];

/** Makers of such values: fast-check itself cannot hold a revoked proxy. */
export const hostileMakers: fc.Arbitrary<() => unknown> = fc.nat(MAKERS.length - 1).map((at) => MAKERS[at]!);

/** One of each. */
export function everyHostileValue(): unknown[] {
  return MAKERS.map((make) => make());
}
