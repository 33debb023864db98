// What the fleet is bundled from, and which packages that takes along. `.ci/build.js` builds it, `.ci/licences.js` accounts
// for it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of the fleet, for esbuild. */
export function serverBundle(root, outdir) {
  return {
    absWorkingDir: root,
    entryPoints: readdirSync(join(root, 'servers'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(root, 'servers', name)),
    outdir,
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
    metafile: true,
    logLevel: 'warning',
  };
}

/** The pages of the control room, for esbuild: one script and one style sheet, and what is loaded only when it is shown. */
export function dashboardBundle(root, outdir) {
  const source = join(root, 'servers/dashboard');
  return {
    absWorkingDir: root,
    entryPoints: [join(source, 'dashboard.js'), join(source, 'dashboard.css')],
    outdir,
    bundle: true,
    splitting: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  };
}

/** The folder of the package that a file belongs to, as the lock file names it; undefined for a file of ours. */
function packageOf(file) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

/** For each package in a bundle, by its folder: the outputs that hold some of it. */
export function packagesIn({ outputs }) {
  const packages = new Map();
  for (const [output, { inputs }] of Object.entries(outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = packageOf(input);
      if (folder === undefined || bytesInOutput === 0) continue;
      packages.set(folder, (packages.get(folder) ?? new Set()).add(output));
    }
  }
  return packages;
}
