/** Source positions in stack traces, compared with the decoder of Node for a bundle by the bundler of the fleet. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { findSourcePosition } from '../../../servers/support/source-map-lookup.js';
import { withSourcePositions } from '../../../servers/support/source-positions.js';

const SOURCE = `export function outer(n: number): number {
  const inner = (m: number): number => {
    if (m > 2) throw new Error('too much');
    return m;
  };
  return inner(n) + inner(n + 1);
}
`;

let folder: string;
let bundle: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'maps-'));
  writeFileSync(join(folder, 'part.ts'), SOURCE);
  writeFileSync(join(folder, 'main.ts'), "import { outer } from './part.js';\nconsole.log(outer(1), outer(2));\n");
  bundle = join(folder, 'out', 'main.js');
  buildSync({
    ...{ entryPoints: [join(folder, 'main.ts')], outfile: bundle, bundle: true, format: 'esm', platform: 'node' },
    ...{ sourcemap: true, sourcesContent: false, minifyWhitespace: true, minifySyntax: true, lineLimit: 60 },
  });
});

afterAll(() => rmSync(folder, { recursive: true }));

test('every position in a bundle maps to the same source position as in Node', () => {
  const map = JSON.parse(readFileSync(`${bundle}.map`, 'utf8')) as SourceMapPayload;
  const node = new SourceMap(map);
  const lines = readFileSync(bundle, 'utf8').split('\n');
  const wrong: object[] = [];
  let found = 0;
  for (const [i, text] of lines.entries()) {
    for (let column = 0; column < text.length; column++) {
      const theirs = node.findEntry(i, column);
      // Node falls back to the end of an earlier line where a line has no segment before the column.
      if (!('originalSource' in theirs) || theirs.generatedLine !== i) continue;
      found++;
      const ours = findSourcePosition(map, i + 1, column + 1);
      const expected = {
        source: theirs.originalSource,
        line: theirs.originalLine + 1,
        column: theirs.originalColumn + 1,
      };
      if (JSON.stringify(ours) !== JSON.stringify(expected)) wrong.push({ i, column, ours, expected });
    }
  }
  expect(wrong).toEqual([]);
  expect(found).toBeGreaterThan(50);
});

test('the frames of a bundle get their source positions, and other frames stay unchanged', () => {
  const text = readFileSync(bundle, 'utf8').split('\n');
  const line = text.findIndex((one) => one.includes('new Error'));
  const column = text[line]!.indexOf('new Error');
  const frame = (path: string): string => `    at outer (${path})`;
  const elsewhere = frame(`${join(folder, 'none.js')}:1:1`);
  const internal = frame('node:internal/process:1:1');
  const stack = ['Error: too much', frame(`file://${bundle}:${line + 1}:${column + 1}`), elsewhere, internal];
  const expected = ['Error: too much', frame(`${join(folder, 'part.ts')}:3:22`), elsewhere, internal];
  expect(withSourcePositions(stack.join('\n'))).toBe(expected.join('\n'));
});
