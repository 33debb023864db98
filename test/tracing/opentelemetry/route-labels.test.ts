/** The labels of routes beside those of OpenTelemetry's instrumentation of Express, over every form of route. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundleProgram, nextMessage, startProgram } from '../../support/bundled-child.js';
import type { Labels } from './route-labels-program.js';

jest.setTimeout(120_000);

const PACKAGES = resolve(__dirname, '../../../node_modules');

/** Where the labels may differ, with the reason. Elsewhere they must be equal. */
const DIFFERENCES: Readonly<Record<string, (labels: Labels) => boolean>> = {
  'of several paths, OpenTelemetry joins all': ({ theirs }) => theirs?.includes(',') === true,
  'OpenTelemetry has no label for a path in another letter case': ({ path, theirs }) =>
    theirs === undefined && path.startsWith('/API'),
  'OpenTelemetry has no label for a path with an optional letter (Express 4)': ({ template, theirs }) =>
    theirs === undefined && template.includes('ab?cd'),
  'OpenTelemetry keeps the slash at the end of a mount path': ({ ours, theirs }) => theirs === `${ours}/`,
  'OpenTelemetry has no label for files that are served without a path': ({ ours, theirs }) =>
    ours === '/*' && theirs === undefined,
  'OpenTelemetry names the mount of a router in which no route matched': ({ ours, theirs }) =>
    ours === '(unmatched)' && theirs === '/api',
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'route-labels-'));
  mkdirSync(join(folder, 'files'));
  writeFileSync(join(folder, 'files/file.txt'), 'x');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Two copies under the name `express`, which is the only one that instrumentation knows. */
function copyExpress(version: string): void {
  for (const copy of ['1', '2']) {
    const modules = join(folder, copy, 'node_modules');
    cpSync(join(PACKAGES, version === '5' ? 'express' : 'express4'), join(modules, 'express'), { recursive: true });
    if (version === '5') cpSync(join(PACKAGES, 'router'), join(modules, 'router'), { recursive: true });
  }
}

/** OpenTelemetry has no label where no route matched. */
const asTheirs = (route: string): string | undefined => (route === '(unmatched)' ? undefined : route);

test.each(['5', '4'])('Express %s: labels are what was registered, and those of OpenTelemetry', async (version) => {
  copyExpress(version);
  const bundle = bundleProgram(join(__dirname, 'route-labels-program.ts'), folder);
  const child = startProgram(bundle, version, folder, join(folder, 'files'));
  const labels = await nextMessage<Labels[]>(child);

  expect(labels.length).toBeGreaterThan(1000);
  expect(labels.filter(({ ours, template }) => ours !== template)).toEqual([]);
  const different = labels.filter(({ ours, theirs }) => asTheirs(ours) !== theirs);
  const unexplained = different.filter((one) => !Object.values(DIFFERENCES).some((is) => is(one)));
  expect(unexplained).toEqual([]);
  const used = Object.keys(DIFFERENCES).filter((reason) => different.some((one) => DIFFERENCES[reason]!(one)));
  const expected = Object.keys(DIFFERENCES).filter((reason) => version === '4' || !reason.includes('(Express 4)'));
  expect(used).toEqual(expected);
});
