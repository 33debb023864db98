import fc from '../../support/fast-check.js';
import { normalizeField, variantKey, varyNames } from '../../../src/caching/http/vary.js';

test.each(['*', '*, *', ', *', '*, Foo', 'Foo, *'])('%s matches no request (RFC 9111 §4.1)', (vary) => {
  expect(varyNames(vary)).toBeUndefined();
});

test('names are lowercase, sorted, each once, with those of the option', () => {
  expect(varyNames('Foo, bar, FOO', ['accept'])).toEqual(['accept', 'bar', 'foo']);
  expect(varyNames(undefined)).toEqual([]);
});

test('an absent field matches only an absent one', () => {
  expect(variantKey(['foo'], {})).toBe(variantKey(['foo'], {}));
  expect(variantKey(['foo'], {})).not.toBe(variantKey(['foo'], { foo: '' }));
  expect(variantKey(['a', 'b'], { a: 'x' })).not.toBe(variantKey(['a', 'b'], { b: 'x' }));
});

test.each([
  ['accept-language', 'en, de', 'EN ,de'],
  ['accept-language', 'en;q=0.5, de', 'en ; q=0.50\t,de'],
  ['accept-language', 'en-GB,*;q=0', 'en-gb, *;q=0.000'],
  ['accept-encoding', 'gzip, br', 'GZIP;q=1.0,br'],
  ['accept', 'text/html, */*;q=0.8', 'TEXT/html,*/*; Q=0.80'],
])('%s: %s equals %s', (name, a, b) => {
  expect(normalizeField(name, a)).toBe(normalizeField(name, b));
});

test.each([
  ['foo', '1,2', '2,1'],
  ['foo', '1,2', '1, 2'],
  ['x-tenant', ',acme', 'acme'],
  ['origin', 'https://a.example,', 'https://a.example'],
  ['accept-language', 'de, fr', 'fr, de'],
  ['accept-language', 'de;q=0.5, en', 'en, de;q=0.5'],
  ['accept-language', 'de;q=x', 'de'],
  ['accept-language', 'de;q=0x1', 'de'],
  ['accept-language', 'de;q=1.5', 'de'],
  ['accept-language', 'de;q=0.1;q=0.9', 'de;q=0.1'],
  ['accept-language', 'de,', 'de'],
  ['accept-language', 'de;q= 0.5', 'de;q=0.5'],
  ['accept-encoding', 'x-gzip', 'gzip'],
  ['accept', 'text/html;level=1', 'text/html;level=2'],
  ['accept', 'text/html;charset=UTF-8', 'text/html;charset=utf-8'],
  ['foo', 'a', 'A'],
  ['accept', 'text/html, application/json', 'application/json, text/html'],
  ['accept-encoding', 'gzip', 'gzip;q=0'],
  ['cookie', 'a=1,b', 'a=1, b'],
])('%s: %s differs from %s', (name, a, b) => {
  expect(normalizeField(name, a)).not.toBe(normalizeField(name, b));
});

test('keys are short; equal requests have equal keys, and different values have different ones', () => {
  const value = fc.option(fc.string(), { nil: undefined });
  fc.assert(
    fc.property(fc.record({ 'x-a': value, cookie: value }), fc.record({ 'x-a': value, cookie: value }), (a, b) => {
      const names = ['cookie', 'x-a'];
      const isSame = names.every((name) => {
        const [one, other] = [a[name as 'cookie'], b[name as 'cookie']];
        return one === undefined || other === undefined
          ? one === other
          : normalizeField(name, one) === normalizeField(name, other);
      });
      return (variantKey(names, a) === variantKey(names, b)) === isSame;
    }),
  );
  expect(variantKey(['cookie'], { cookie: 'x'.repeat(10_000) }).length).toBeLessThan(300);
});
