/** Packages that are loaded on first use: in bundles, and where they are not installed. */
import { buildSync, type BuildOptions } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { missingPackage } from '../../src/shared/loaded-package.js';

const root = resolve(__dirname, '../..');
let folder: string;

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Bundles the program into a new folder in `parent` and runs it there: what it prints, and its complaints. */
function run(contents: string, parent: string, options: BuildOptions = {}): [stdout: string, stderr: string] {
  folder = mkdtempSync(join(parent, '.bundle-'));
  buildSync({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    outExtension: { '.js': '.mjs' },
    // CommonJS in an ES module needs it.
    banner: { js: `import { createRequire as of } from 'node:module'; const require = of(import.meta.url);` },
    ...options,
  });
  const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'stdin.mjs')], { encoding: 'utf8' });
  return [stdout.trim(), stderr];
}

test.each([
  ['undici', 'loadUndici', 'src/shared/lazy-undici.ts', 'Pool'],
  ['prom-client', 'loadPromClient', 'src/tracing/lazy-registry.ts', 'Registry'],
])('%s has its exports in a bundle that splits code', (_name, load, source, part) => {
  const program = `import { ${load} } from './${source}'; console.log(typeof (await ${load}()).${part});`;
  expect(run(program, join(root, 'node_modules'))).toEqual(['function', '']);
});

/** A folder of the system has no packages, so that what is not bundled is not installed. */
describe.each([
  ['axios', 'serviceClient', `serviceClient('a', { baseURL: 'http://127.0.0.1:9' }).get('/')`],
  ['prom-client', 'createMetrics', `createMetrics().render()`],
])('without %s', (name, exported, use) => {
  const program = (expression: string): string =>
    `import { ${exported} } from './src/index.ts';
     const failure = await ${expression}.catch(({ code, status, message }) => ({ code, status, message }));
     console.log(JSON.stringify(failure));`;

  test(`${exported} says what to install`, () => {
    const [stdout, stderr] = run(program(use), tmpdir(), { external: [name] });
    expect([JSON.parse(stdout), stderr]).toEqual([
      { code: 'PACKAGE_MISSING', status: 503, message: expect.stringContaining(`run 'npm install ${name}'`) as string },
      '',
    ]);
  });
});

test('a scrape without prom-client is answered with the reason', () => {
  const program = `import { createServer } from 'node:http';
    import { createMetrics } from './src/index.ts';
    const server = createServer(createMetrics().handler).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = 'http://127.0.0.1:' + server.address().port;
    const text = await fetch(url);
    console.log(JSON.stringify([text.status, (await text.json()).code]));
    server.close();
    server.closeAllConnections();`;
  const [stdout, stderr] = run(program, tmpdir(), { external: ['prom-client'] });
  expect([JSON.parse(stdout), stderr]).toEqual([[503, 'PACKAGE_MISSING'], '']);
});

test('a package that is there and fails keeps its own error', () => {
  folder = '';
  const failures = [
    new TypeError('broken'),
    Object.assign(new Error("Cannot find package 'follow-redirects'"), { code: 'ERR_MODULE_NOT_FOUND' }),
  ];
  for (const failure of failures) expect(missingPackage('axios', 'serviceClient', failure)).toBe(failure);
});
