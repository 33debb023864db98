import fc from '../../support/fast-check.js';
import {
  LONGEST_TERMS,
  parseTraceTerms,
  termOf,
  TraceTermError,
} from '../../../servers/dashboard/model/trace-terms.js';

test('a line is parsed term by term', () => {
  expect(parseTraceTerms('status:500 route:/api/x http.request.method:GET duration>100')).toEqual({
    status: 500,
    route: '/api/x',
    minDuration: 100,
    attributes: { 'http.request.method': 'GET' },
  });
  expect(parseTraceTerms('  status:error service:training duration>=0.5s duration<2s ')).toEqual({
    status: 'error',
    service: 'training',
    minDuration: 500,
    maxDuration: 2000,
    attributes: {},
  });
  expect(parseTraceTerms('db.query.summary:"select items" url:http://a:1/b')).toEqual({
    attributes: { 'db.query.summary': 'select items', url: 'http://a:1/b' },
  });
  expect(parseTraceTerms('')).toEqual({ attributes: {} });
});

test.each([
  ['slow', /'slow': expected name:value/],
  ['a:', /expected name:value/],
  [':b', /expected name:value/],
  ['a:"b', /expected name:value/],
  ['status:teapot', /expected success, error or an HTTP status/],
  ['status:99', /HTTP status/],
  ['duration:5', /e\.g\. duration>100/],
  ['duration>much', /number of milliseconds/],
  ['duration>-1', /number of milliseconds/],
  ['a:b '.repeat(13), /at most 12 terms, got 13/],
  ['x'.repeat(LONGEST_TERMS + 1), /at most 500 characters/],
])('%j is refused with what was expected', (line, expected) => {
  expect(() => parseTraceTerms(line)).toThrow(TraceTermError);
  expect(() => parseTraceTerms(line)).toThrow(expected);
});

test('any input is parsed or refused, and an attribute never comes from the prototype', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (line) => {
      try {
        parseTraceTerms(line);
      } catch (error) {
        expect(error).toBeInstanceOf(TraceTermError);
      }
    }),
    { numRuns: 300 },
  );
  expect(Object.getPrototypeOf(parseTraceTerms('__proto__:x').attributes)).toBe(Object.prototype);
});

test('the term of an attribute finds that attribute for any value', () => {
  expect(termOf('http.route', '/api/:id')).toBe('http.route:/api/:id');
  expect(termOf('db.query.summary', 'select items')).toBe('db.query.summary:"select items"');
  for (const [name, value] of [
    ['status', 'x'],
    ['a b', 'x'],
    ['a', 'say "x"'],
    ['a', ''],
    ['a', ['x']],
    ['duration>1', 'x'],
  ])
    expect(termOf(name as string, value)).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 40 }), (name, value) => {
      const term = termOf(name, value);
      fc.pre(term !== undefined && name !== '__proto__');
      expect(parseTraceTerms(term)).toEqual({ attributes: { [name]: value } });
    }),
    { numRuns: 300 },
  );
});
