import fc from '../support/fast-check.js';
import {
  anyOf,
  anything,
  array,
  arrayOf,
  boolean,
  checkOptions,
  checkValue,
  clock,
  count,
  func,
  having,
  milliseconds,
  number,
  object,
  oneOf,
  positive,
  recordOf,
  string,
  type Check,
} from '../../src/shared/options.js';

interface Example {
  readonly size?: number;
  readonly name?: string;
  readonly store?: object;
}

const check = (options: unknown): Example =>
  checkOptions<Example>('thing', options as Example, {
    size: number({ min: 1, max: 10, integer: true }),
    name: string,
    store: having('a store', 'get', 'set'),
  });

describe('checkOptions', () => {
  test('copies what is set, leaves out what is undefined, changes nothing of the caller', () => {
    const given = Object.freeze({ size: 3, name: undefined });
    const checked = check(given);
    expect(checked).toEqual({ size: 3 });
    expect(checked).not.toBe(given);
    expect('name' in checked).toBe(false);
    expect(check(undefined)).toEqual({});
  });

  test.each<[unknown, string, ErrorConstructor]>([
    [{ size: '3' }, `thing: option 'size': expected an integer from 1 to 10, got "3"`, TypeError],
    [{ size: NaN }, `thing: option 'size': expected an integer from 1 to 10, got NaN`, TypeError],
    [{ size: 0 }, `thing: option 'size': expected an integer from 1 to 10, got 0`, RangeError],
    [{ size: 1.5 }, `thing: option 'size': expected an integer from 1 to 10, got 1.5`, RangeError],
    [{ size: null }, `thing: option 'size': expected an integer from 1 to 10, got null`, TypeError],
    [{ name: '' }, `thing: option 'name': expected a non-empty string, got ""`, RangeError],
    [{ store: { get: () => 1 } }, `thing: option 'store': expected a store (an object with get, set), got an object (Object)`, TypeError], // prettier-ignore
    [{ sise: 3 }, `thing: unknown option 'sise'; did you mean 'size'?`, TypeError],
    [{ SIZE: 3 }, `thing: unknown option 'SIZE'; did you mean 'size'?`, TypeError],
    [{ colour: 3 }, `thing: unknown option 'colour'; the options are name, size, store`, TypeError],
    [[], 'thing: expected an object of options, got an array of 0', TypeError],
    ['text', 'thing: expected an object of options, got "text"', TypeError],
    [null, 'thing: expected an object of options, got null', TypeError],
  ])('%j: says who, what was expected and what came', (options, message, type) => {
    expect(() => check(options)).toThrow(type);
    expect(() => check(options)).toThrow(message);
  });

  test('a message never shows what an object holds, and only the start of a long string', () => {
    expect(() => check({ size: { password: 'hunter2' } })).not.toThrow(/hunter2/);
    expect(() => check({ size: 'x'.repeat(1000) })).toThrow(new RegExp(`"x{60}…"$`));
    expect(() => check({ size: () => 'hunter2' })).toThrow(/got a function$/);
    expect(() => check({ size: Object.create(null) })).toThrow(/got an object \(null prototype\)$/);
  });

  test('names of the prototype are unknown options, not hidden ones', () => {
    expect(() => check(JSON.parse('{"__proto__":1}'))).toThrow(/unknown option '__proto__'/);
    expect(() => check({ constructor: 1 })).toThrow(/unknown option 'constructor'/);
  });
});

describe('the rules', () => {
  const accepts = (rule: Check, value: unknown): boolean => {
    try {
      checkValue('it', value, rule);
      return true;
    } catch {
      return false;
    }
  };

  test.each<[string, Check, unknown[], unknown[]]>([
    ['number', number(), [0, -1.5, Infinity], [NaN, '1', null]],
    ['number with bounds', number({ min: 0, max: 1 }), [0, 0.5, 1], [-0.1, 1.1, Infinity]],
    ['positive', positive, [0.001, Infinity], [0, -1]],
    ['milliseconds', milliseconds, [0, 1.5, Infinity], [-1, '5']],
    ['count', count(), [1, 2, Infinity], [0, 1.5]],
    ['count from zero', count(0), [0], [-1]],
    ['boolean', boolean, [true, false], [0, 'true']],
    ['string', string, ['x'], ['', 5]],
    ['function', func, [() => 1, class {}], [{}]],
    ['array', array, [[]], [{}]],
    ['object', object(), [{}, []], [null, () => 1]],
    ['having', having('a clock', 'now'), [{ now: () => 1 }, new (class { now(): void {} })()], [{}, { now: 5 }]], // prettier-ignore
    ['clock', clock, [{ now: () => 1 }], [5]],
    ['oneOf', oneOf('a', 'b', false), ['a', false], ['c', true, 5]],
    ['anyOf', anyOf(string, count()), ['x', 3], ['', 0, true]],
    ['recordOf', recordOf(count()), [{}, { a: 1 }], [{ a: 0 }, { a: 'x' }, [1]]],
    ['arrayOf', arrayOf(string), [[], ['x']], [[''], [1], 'x']],
    ['anything', anything, [undefined, null, 5], []],
  ])('%s', (_, rule, good, bad) => {
    expect(good.map((value) => accepts(rule, value))).toEqual(good.map(() => true));
    expect(bad.map((value) => accepts(rule, value))).toEqual(bad.map(() => false));
  });

  test('say what they expect', () => {
    expect([number().expected, number({ min: 1 }).expected, oneOf('a', 'b', 3).expected]).toEqual([
      'a number',
      'a number of at least 1',
      '"a", "b" or 3',
    ]);
    expect(anyOf(string, count()).expected).toBe('a non-empty string, or an integer of at least 1');
  });

  test('property: any value is either accepted or refused with a TypeError or RangeError', () => {
    const rules = [number(), positive, count(), string, func, array, object(), oneOf(1, 'a'), recordOf(count())];
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(...rules), (value, rule) => {
        try {
          checkValue('it', value, rule);
        } catch (error) {
          expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
        }
      }),
    );
  });
});
