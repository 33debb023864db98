// Builds the package (ES modules and CommonJS, with types) and the fleet.
//   node .ci/build.js           everything
//   node .ci/build.js servers   only the fleet, transpiled without type checking: what `npm run dev` starts
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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
  const entryPoints = readdirSync(join(root, 'servers'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, 'servers', name));
  await esbuild.build({
    entryPoints,
    outdir: target,
    bundle: true,
    external: ['better-sqlite3', 'pg', 'ioredis', 'cls-hooked'],
    // CommonJS packages inside an ES module still ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
    },
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Nine processes read this at once: less of it to parse is a third of their start. Names stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
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

/** The pages of the control room: one script and one style sheet, and what is loaded only when it is shown. */
async function buildDashboard(esbuild, target) {
  const source = join(root, 'servers/dashboard');
  await esbuild.build({
    entryPoints: [join(source, 'dashboard.js'), join(source, 'dashboard.css')],
    outdir: target,
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    logLevel: 'warning',
  });
  cpSync(join(source, 'index.html'), join(target, 'index.html'));
}

const only = process.argv[2];
if (only !== undefined && only !== 'servers')
  throw new Error(`.ci/build.js: expected no argument or 'servers', got '${only}'`);
if (only === undefined) buildPackage();
await buildServers();
