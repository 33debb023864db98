// Builds the package (ES modules and CommonJS, with types) and the fleet.
//   node .ci/build.js           everything
//   node .ci/build.js servers   only the fleet, transpiled without type checking: what `npm run dev` starts
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboardBundle, serverBundle } from './bundles.js';
import { writeNotices } from './third-party.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Two passes of the compiler: the same sources, once for `import` and once for `require`. */
function buildPackage() {
  const tsc = require.resolve('typescript/bin/tsc');
  for (const format of ['esm', 'cjs']) {
    rmSync(join(root, 'dist', format), { recursive: true, force: true });
    execFileSync(process.execPath, [tsc, '-p', join(root, '.ci', `tsconfig.${format}.json`)], { stdio: 'inherit' });
  }
  mkdirSync(join(root, 'dist/cjs'), { recursive: true });
  writeFileSync(join(root, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n');
}

/**
 * Each server and what they share as a few files, the packages they use included: nine processes start at once, and
 * reading a thousand files each would be most of their start. Native and optional packages stay outside.
 */
async function buildServers() {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const target = mkdtempSync(join(root, 'dist/building-'));
  chmodSync(target, 0o755); // whoever runs it need not be who built it
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
}

const only = process.argv[2];
if (only !== undefined && only !== 'servers')
  throw new Error(`.ci/build.js: expected no argument or 'servers', got '${only}'`);
if (only === undefined) buildPackage();
await buildServers();
