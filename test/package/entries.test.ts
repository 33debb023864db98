/** Checks the entries of the package: their names, the packages they load, and the number of their modules. */
import type { Metafile } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
};

/** The packages that each entry loads at once. It loads other packages at their first use. */
const LOADED: Readonly<Record<string, readonly string[]>> = {
  compose: [],
  'rate-limit': [],
  trace: ['node-cache'],
  metrics: [],
  cache: ['lru-cache', 'structured-headers'],
  health: [],
  proxy: ['node-cache'],
  pool: ['lru-cache'],
  scaling: [],
  'service-client': ['lru-cache'],
};
const CAPABILITIES = Object.keys(LOADED);

/** An import of `rate-limit` reads no more files than this. */
const MOST_MODULES = 25;

type Output = Metafile['outputs'][string];
let outputs: Record<string, Output>;

/** The build's own bundle, in a process of its own: Jest cannot import the ES modules of .ci. */
const BUNDLE = `
  import { build } from 'esbuild';
  import { packageBundle } from './.ci/bundles.js';
  const { metafile } = await build({ ...packageBundle(process.cwd(), 'dist/none'), write: false });
  console.log(JSON.stringify(metafile));`;

beforeAll(() => {
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', BUNDLE], {
    cwd: root,
    encoding: 'utf8',
  });
  outputs = (JSON.parse(printed) as Metafile).outputs;
});

/** The built files of an entry, with what they import without being asked twice. */
function filesOf(entry: string): Output[] {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { path, external, kind } of outputs[file]!.imports) {
      if (external !== true && kind !== 'dynamic-import') visit(path);
    }
  };
  visit(`dist/none/${entry}.js`);
  return [...reached].map((file) => outputs[file]!);
}

function packagesOf(entry: string): string[] {
  const imported = filesOf(entry).flatMap(({ imports }) => imports);
  const names = imported
    .filter(({ external, kind, path }) => external === true && kind !== 'dynamic-import' && !isBuiltin(path))
    .map(({ path }) => path);
  return [...new Set(names)].sort();
}

const namesOf = (entry: string): readonly string[] => outputs[`dist/none/${entry}.js`]!.exports;

test('the manifest exports every file of src/, and nothing else', () => {
  const files = readdirSync(join(root, 'src')).filter((name) => name.endsWith('.ts'));
  const expected = files.map((name) => (name === 'index.ts' ? '.' : `./${name.slice(0, -'.ts'.length)}`));
  expect(Object.keys(manifest.exports).sort()).toEqual([...expected, './package.json'].sort());
});

test.each(CAPABILITIES)('%s loads only the packages it needs at once', (entry) => {
  expect(packagesOf(entry)).toEqual(LOADED[entry]);
});

test('the main entry loads what its capabilities load, and no HTTP client', () => {
  expect(packagesOf('index')).toEqual([...new Set(Object.values(LOADED).flat())].sort());
});

test('the capabilities together are the main entry', () => {
  const names = new Set(CAPABILITIES.flatMap(namesOf));
  expect([...names].sort()).toEqual([...namesOf('index')].sort());
});

test(`rate-limit is at most ${MOST_MODULES} modules`, () => {
  expect(filesOf('rate-limit').length).toBeLessThanOrEqual(MOST_MODULES);
});
