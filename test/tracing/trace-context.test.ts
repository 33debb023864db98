/** W3C Trace Context level 2 and Baggage, read and written. */
import fc, { anyCharacter } from '../support/fast-check.js';
import { formatBaggage, parseBaggage, propagatableBaggage } from '../../src/tracing/baggage.js';
import { createSampler, isId, newSpanId, newTraceId } from '../../src/tracing/ids.js';
import {
  formatTraceparent,
  formatTracestate,
  parseTraceparent,
  parseTracestate,
  updateTracestate,
} from '../../src/tracing/trace-context.js';
import { readRemoteParent } from '../../src/tracing/trace.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const parent = (text: string) => parseTraceparent(text);

describe('traceparent', () => {
  test.each([
    ['sampled', `00-${TRACE}-${SPAN}-01`, { sampled: true, random: false }],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, { sampled: false, random: false }],
    ['random', `00-${TRACE}-${SPAN}-03`, { sampled: true, random: true }],
    ['unknown flags', `00-${TRACE}-${SPAN}-fc`, { sampled: false, random: false }],
    ['a higher version of the same length', `cc-${TRACE}-${SPAN}-01`, { sampled: true, random: false }],
    [
      'a higher version that goes on',
      `cc-${TRACE}-${SPAN}-01-what-the-future-brings`,
      { sampled: true, random: false },
    ],
  ])('%s is read', (_what, text, flags) => {
    expect(parent(text)).toEqual({ traceId: TRACE, spanId: SPAN, ...flags });
  });

  test.each([
    ['nothing', ''],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['version 00 that goes on', `00-${TRACE}-${SPAN}-01-more`],
    ['version 00 with a trailing dash', `00-${TRACE}-${SPAN}-01-`],
    ['a higher version that goes on without a dash', `cc-${TRACE}-${SPAN}-01.more`],
    ['two fields joined', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['an uppercase trace id', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['an uppercase version', `CC-${TRACE}-${SPAN}-01`],
    ['an uppercase flag', `00-${TRACE}-${SPAN}-0A`],
    ['a zero trace id', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a zero span id', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['a character that is not a hexadecimal digit', `00-${TRACE.slice(0, 31)}g-${SPAN}-01`],
    ['a flag that is not hexadecimal', `00-${TRACE}-${SPAN}-0x`],
    ['a short trace id', `00-${TRACE.slice(1)}-${SPAN}-001`],
    ['other separators', `00_${TRACE}_${SPAN}_01`],
    ['blanks around', ` 00-${TRACE}-${SPAN}-01`],
  ])('%s is not valid', (_what, text) => {
    expect(parent(text)).toBeUndefined();
  });

  test('what is written is read back', () => {
    const hex = (length: number) =>
      fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => /[1-9a-f]/.test(text));
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), fc.boolean(), (traceId, spanId, sampled, random) => {
        const value = { traceId, spanId, sampled, random };
        const text = formatTraceparent(value);
        expect(text).toHaveLength(55);
        expect(parent(text)).toEqual(value);
      }),
    );
  });

  test('any text is read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        const read = parent(text);
        expect(read === undefined || isId(read.traceId, 32)).toBe(true);
      }),
    );
  });
});

describe('tracestate', () => {
  const member = (key: string, value: string) => ({ key, value });

  test.each([
    [
      'members in their order',
      'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
      [member('rojo', SPAN), member('congo', 't61rcWkgMzE')],
    ],
    ['blanks around members', 'a=1 \t,\t b=2 ', [member('a', '1'), member('b', '2')]],
    ['empty members', ',a=1,,', [member('a', '1')]],
    ['a tenant, and a key that starts with a digit', '0tenant@sys=1', [member('0tenant@sys', '1')]],
    ['a repeated key: the left one is newer', 'a=1,b=2,a=3', [member('a', '1'), member('b', '2')]],
    ['a blank inside a value', 'a= x y', [member('a', ' x y')]],
    ['nothing', '', []],
  ])('%s', (_what, text, members) => {
    expect(parseTracestate(text)).toEqual(members);
  });

  test.each([
    ['an uppercase key', 'a=1,B=2'],
    ['a key of 257 characters', `${'k'.repeat(257)}=1`],
    ['a value of 257 characters', `a=${'v'.repeat(257)}`],
    ['no value', 'a='],
    ['no equals sign', 'a=1,b'],
    ['an equals sign in a value', 'a=1=2'],
    ['a control character', 'a=1\u0001'],
    ['a character beyond ASCII', 'a=é'],
    ['33 members', Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(',')],
  ])('%s voids the whole field', (_what, text) => {
    expect(parseTracestate(text)).toBeUndefined();
  });

  test('32 members and more than 512 characters are propagated', () => {
    const text = Array.from({ length: 32 }, (_, i) => `k${i}=${'v'.repeat(250)}`).join(',');
    expect(formatTracestate(parseTracestate(text)!)).toBe(text);
  });

  test('a changed member moves to the left, the oldest falls off', () => {
    expect(formatTracestate(updateTracestate(parseTracestate('a=1,b=2,c=3')!, 'b', '4'))).toBe('b=4,a=1,c=3');
    const full = Array.from({ length: 32 }, (_, i) => member(`k${i}`, '1'));
    const updated = updateTracestate(full, 'new', '1');
    expect([updated.length, updated[0]?.key, updated[31]?.key]).toEqual([32, 'new', 'k30']);
    expect(() => updateTracestate([], 'BAD', '1')).toThrow(RangeError);
    expect(() => updateTracestate([], 'ok', '')).toThrow(RangeError);
  });

  test('legal lists survive a round', () => {
    const key = fc.stringMatching(/^[a-z0-9][a-z0-9_*/@-]{0,20}$/);
    const value = fc.stringMatching(/^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,20}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ key, value }), { maxLength: 32, selector: (one) => one.key }),
        (members) => {
          expect(parseTracestate(formatTracestate(members))).toEqual(members.map((one) => member(one.key, one.value)));
        },
      ),
    );
  });
});

describe('an incoming request', () => {
  test('tracestate and baggage come with a valid traceparent only', () => {
    const headers = { tracestate: 'a=1', baggage: 'user=7' };
    expect(readRemoteParent(headers)).toBeUndefined();
    expect(readRemoteParent({ ...headers, traceparent: 'garbage' })).toBeUndefined();
    expect(readRemoteParent({ ...headers, traceparent: `00-${TRACE}-${SPAN}-01` })).toMatchObject({
      traceState: 'a=1',
      baggage: 'user=7',
    });
  });

  test('an illegal tracestate is dropped, the trace goes on', () => {
    const read = readRemoteParent({ tracestate: 'a=1,=', traceparent: `00-${TRACE}-${SPAN}-01` });
    expect(read).toMatchObject({ traceId: TRACE, traceState: undefined });
  });

  test('several fields are joined in order', () => {
    const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: ['a=1', 'b=2'] };
    expect(readRemoteParent(headers)?.traceState).toBe('a=1,b=2');
  });
});

describe('baggage', () => {
  test('members, properties and encoded values', () => {
    expect(parseBaggage('user = 7%20%C3%A9 ;ttl=30;flag , other=x')).toEqual([
      { key: 'user', value: '7 é', properties: ';ttl=30;flag' },
      { key: 'other', value: 'x' },
    ]);
  });

  test('what is not legal is left out', () => {
    expect(parseBaggage('ok=1,no value,b@d=1,q="2",=3,ok=4,half=%zz')).toEqual([
      { key: 'ok', value: '1' },
      { key: 'half', value: '%zz' },
    ]);
  });

  test('octets that are not UTF-8 become the replacement character', () => {
    expect(parseBaggage('a=%ff')).toEqual([{ key: 'a', value: '\ufffd' }]);
  });

  test('values survive a round', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (value) => {
        expect(parseBaggage(formatBaggage([{ key: 'k', value }]))).toEqual([{ key: 'k', value }]);
      }),
    );
    expect(parseBaggage(formatBaggage([{ key: 'k', value: 'half \ud800' }]))).toEqual([
      { key: 'k', value: 'half \ufffd' },
    ]);
  });

  test('it is passed on within its limits, whole members only', () => {
    expect(propagatableBaggage('a=1, b=2;p=1')).toBe('a=1,b=2;p=1');
    expect(propagatableBaggage('a=1\r\nX-Evil: 1')).toBeUndefined();
    const many = Array.from({ length: 100 }, (_, i) => `k${i}=1`).join(',');
    expect(propagatableBaggage(many)?.split(',')).toHaveLength(64);
    expect(propagatableBaggage(`a=1,b=${'x'.repeat(9000)},c=2`)).toBe('a=1');
    expect(propagatableBaggage('x'.repeat(9000))).toBeUndefined();
  });
});

describe('ids', () => {
  test('have the sizes of the specification and do not repeat', () => {
    const ids = Array.from({ length: 5000 }, () => [newTraceId(), newSpanId()] as const);
    expect(ids.every(([trace, span]) => isId(trace, 32) && isId(span, 16))).toBe(true);
    expect(new Set(ids.flat()).size).toBe(10_000);
  });

  test('the share sampled is the rate, and a higher rate samples no less', () => {
    const ids = Array.from({ length: 20_000 }, newTraceId);
    const sampled = ids.filter(createSampler(0.1));
    expect(sampled.length).toBeGreaterThan(1700);
    expect(sampled.length).toBeLessThan(2300);
    expect(sampled.every(createSampler(0.2))).toBe(true);
    expect(ids.some(createSampler(0))).toBe(false);
    expect(ids.every(createSampler(1))).toBe(true);
    expect(createSampler(0.5)(`${'0'.repeat(18)}80000000000000`)).toBe(true);
    expect(createSampler(0.5)(`${'f'.repeat(18)}7fffffffffffff`)).toBe(false);
    expect(createSampler(1e-18)('f'.repeat(32))).toBe(true);
  });
});
