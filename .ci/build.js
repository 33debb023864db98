// Builds the package (ES modules and CommonJS, with types) and the fleet.
//   node .ci/build.js           everything
//   node .ci/build.js servers   only the fleet, transpiled without type checking: what `npm run dev` starts
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { dashboardBundle, packageBundle, serverBundle } from './bundles.js';
import { writeNotices } from './third-party.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** The package for `import` and for `require`: the same chunks and declarations in both formats. */
async function buildPackage() {
  const [modules, commonJs] = ['dist/esm', 'dist/cjs'].map((folder) => join(root, folder));
  for (const folder of [modules, commonJs]) rmSync(folder, { recursive: true, force: true });
  const tsc = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(root, '.ci/tsconfig.package.json')], { stdio: 'inherit' });
  keepReachable(modules);
  cpSync(modules, commonJs, { recursive: true });
  writeFileSync(join(commonJs, 'package.json'), '{ "type": "commonjs" }\n');
  const esbuild = await import('esbuild');
  await esbuild.build(packageBundle(root, modules));
  await convertToCommonJs(esbuild, modules, commonJs);
}

/** The relative files that a declaration refers to. */
function referencesOf(file) {
  const found = readFileSync(file, 'utf8').matchAll(/(?:from |import\(|import )['"](\.[^'"]+)\.js['"]/g);
  return Array.from(found, ([, path]) => `${resolve(dirname(file), path)}.d.ts`);
}

/** Removes the declarations that no entry leads to, which are most of the files that an installation would write. */
function keepReachable(folder) {
  const wanted = new Set();
  const visit = (file) => {
    if (wanted.has(file)) return;
    wanted.add(file);
    referencesOf(file).forEach(visit);
  };
  for (const name of readdirSync(folder)) if (name.endsWith('.d.ts')) visit(join(folder, name));
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name);
    if (name.endsWith('.d.ts') && !wanted.has(path)) rmSync(path);
  }
}

/** Each ES module as CommonJS. `import()` becomes `require`, because Jest runs no `import()` in CommonJS. */
async function convertToCommonJs(esbuild, from, to) {
  for (const name of readdirSync(from, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const options = { format: 'cjs', platform: 'node', target: 'es2022', supported: { 'dynamic-import': false } };
    const { code } = await esbuild.transform(readFileSync(join(from, name), 'utf8'), options);
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), code);
  }
}

/**
 * Each server and what they share as a few files, the packages they use included: nine processes start at once, and
 * reading a thousand files each would be most of their start. Native and optional packages stay outside.
 */
async function buildServers() {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const target = mkdtempSync(join(root, 'dist/building-'));
  chmodSync(target, 0o755); // another user than the one who built it may run it
  const esbuild = await import('esbuild');
  const { metafile } = await esbuild.build(serverBundle(root, target));
  writeNotices(root, metafile, join(target, 'third-party.txt'));
  await buildDashboard(esbuild, join(target, 'dashboard'));
  replaceServers(target);
}

/** In one step, since a fleet may be running from what was built before, and several builds at once (suites of tests). */
function replaceServers(built) {
  const target = join(root, 'dist/servers');
  for (;;) {
    const old = `${built}-old`;
    try {
      renameSync(target, old);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error; // the first build, or another one is at this very point
    }
    try {
      renameSync(built, target);
      rmSync(old, { recursive: true, force: true });
      return;
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error; // another build was faster: in its place
      rmSync(old, { recursive: true, force: true });
    }
  }
}

/** The pages of the control room, and the notices of what is in them. */
async function buildDashboard(esbuild, target) {
  const { metafile } = await esbuild.build(dashboardBundle(root, target));
  writeNotices(root, metafile, join(target, 'third-party.txt'));
  cpSync(join(root, 'servers/dashboard/index.html'), join(target, 'index.html'));
  for (const name of readdirSync(target)) compressFile(join(target, name));
}

/** Writes a file compressed beside itself: the web server sends that to browsers that accept it. */
function compressFile(path) {
  if (!/\.(js|css|html)$/.test(path)) return;
  const content = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  writeFileSync(`${path}.br`, brotliCompressSync(content));
}

const only = process.argv[2];
if (only !== undefined && only !== 'servers')
  throw new Error(`.ci/build.js: expected no argument or 'servers', got '${only}'`);
if (only === undefined) await buildPackage();
await buildServers();
