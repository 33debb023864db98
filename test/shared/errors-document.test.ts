/** docs/errors.md and the registry are the same list. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, ResilienceError, type ErrorCode } from '../../src/shared/errors.js';
import { problem, problemType } from '../../src/shared/problem.js';

const text = readFileSync(join(__dirname, '../../docs/errors.md'), 'utf8');
const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, code, status, title, when]) => ({ code, status: Number(status), title, when }),
);
const codes = Object.keys(ERRORS) as ErrorCode[];

test('the document lists every code, and no other, in the order of the registry', () => {
  expect(rows.map((row) => row.code)).toEqual(codes);
});

test('with its status and title, and says when it happens', () => {
  expect(rows.map(({ code, status, title }) => ({ code, status, title }))).toEqual(
    codes.map((code) => ({ code, ...ERRORS[code] })),
  );
  for (const { when } of rows) expect(when).toMatch(/\S.*[.]$/);
});

test('titles are one each, statuses are errors', () => {
  expect(new Set(codes.map((code) => ERRORS[code].title)).size).toBe(codes.length);
  for (const code of codes) expect(ERRORS[code].status).toBeGreaterThanOrEqual(400);
});

test('the example is what the code really sends', () => {
  const example = /```json\n([^]*?)```/.exec(text)![1]!;
  const { code, detail } = JSON.parse(example) as { code: ErrorCode; detail: string };
  expect(JSON.parse(example)).toEqual(problem(code, detail));
});

test('the types named in the document are those of the code', () => {
  expect(text).toContain(problemType('QUOTA_EXCEEDED'));
  for (const code of codes) expect(new ResilienceError(code, 'x')).toMatchObject({ code, ...ERRORS[code] });
});
