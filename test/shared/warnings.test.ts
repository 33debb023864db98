/** Warnings are given once per place, can be silenced, and are all documented. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkValue } from '../../src/shared/options.js';
import { warn, warningPage, WARNINGS, warningsCheck, warnOnce } from '../../src/shared/warnings.js';

const root = join(__dirname, '../..');
const codes = Object.keys(WARNINGS);

function collect(): { calls: unknown[][]; restore: () => void } {
  const calls: unknown[][] = [];
  const spy = jest.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => void calls.push(args));
  return { calls, restore: () => spy.mockRestore() };
}

test('a text is given once per place, with its code and page', () => {
  const { calls, restore } = collect();
  for (let i = 0; i < 3; i++) warnOnce('TOOLOO_LIMIT_TRUST_ALL', "rateLimit 'a'", 'use a number');
  warnOnce('TOOLOO_LIMIT_TRUST_ALL', "rateLimit 'b'", 'use a number');
  restore();
  const detail = 'See docs/errors.md#tooloo_limit_trust_all';
  expect(calls).toEqual([
    ["rateLimit 'a': use a number", { code: 'TOOLOO_LIMIT_TRUST_ALL', detail }],
    ["rateLimit 'b': use a number", { code: 'TOOLOO_LIMIT_TRUST_ALL', detail }],
  ]);
});

test('`warnings` silences all codes or some; a silenced one can still be given elsewhere', () => {
  const { calls, restore } = collect();
  warnOnce('TOOLOO_LIMIT_NO_ADDRESS', 'c', 'x', false);
  warnOnce('TOOLOO_LIMIT_NO_ADDRESS', 'c', 'x', { TOOLOO_LIMIT_NO_ADDRESS: false });
  warnOnce('TOOLOO_LIMIT_NO_ADDRESS', 'c', 'x', { TOOLOO_LIMIT_TRUST_ALL: false });
  restore();
  expect(calls).toHaveLength(1);
});

test('`warn` repeats a warning each time it is called', () => {
  const { calls, restore } = collect();
  warn('TOOLOO_REQUEST_FAILED', 'a');
  warn('TOOLOO_REQUEST_FAILED', 'a');
  restore();
  expect(calls).toHaveLength(2);
});

test('an option that names an unknown code, or no boolean, is refused', () => {
  expect(() => checkValue('w', { TOOLOO_LIMIT_TRUST_AL: false }, warningsCheck)).toThrow(RangeError);
  expect(() => checkValue('w', { TOOLOO_LIMIT_TRUST_ALL: 'no' }, warningsCheck)).toThrow(TypeError);
  expect(() => checkValue('w', 'off', warningsCheck)).toThrow(TypeError);
  for (const right of [true, false, {}, { TOOLOO_LIMIT_TRUST_ALL: false }]) checkValue('w', right, warningsCheck);
});

test('docs/errors.md has a section per code, in the order of the registry, and no other', () => {
  const text = readFileSync(join(root, 'docs/errors.md'), 'utf8');
  const sections = [...text.matchAll(/^### (TOOLOO_\w+)\n\n(\S[^#]+)/gm)];
  expect(sections.map(([, code]) => code)).toEqual(codes);
  for (const [, , explanation] of sections) expect(explanation!.trim()).toMatch(/[.]$/);
  expect(warningPage('TOOLOO_POOL_LEAK')).toBe('docs/errors.md#tooloo_pool_leak');
});

/** The doctor's findings have a page of their own, which test/doctor/ compares with them. */
const isFinding = (code: string): boolean => code.startsWith('TOOLOO_DOCTOR_');

test('every code in the source is in the registry', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const used = files.flatMap((file) => readFileSync(join(root, 'src', file), 'utf8').match(/'TOOLOO_\w+'/g) ?? []);
  expect(
    [...new Set(used.map((code) => code.slice(1, -1)))].filter((code) => !codes.includes(code) && !isFinding(code)),
  ).toEqual([]);
});
