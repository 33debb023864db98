// Lists all third-party code: writes docs/third-party.md from the lock file and from the content of the bundles.
//   npm run docs:third-party              writes the page
//   npm run docs:third-party -- --check   fails when it is out of date, or a licence is not on the list
// `--lock <path>` reads another lock file; given several times, each of them, with one build of the bundles.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { dashboardBundle, packagesIn, serverBundle } from './bundles.js';
import { faultOf, packagesOf } from './licence-rules.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'docs/third-party.md');

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    lock: { type: 'string', multiple: true, default: ['package-lock.json'] },
  },
});

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1);

/** The metafile of a bundle. */
async function metafileOf(options) {
  return (await build({ ...options, write: false })).metafile;
}

/** The third-party code in a bundle: each package as the lock file has it, and the outputs that contain it. */
function contentsOf(metafile, locked) {
  return [...packagesIn(metafile)].map(([folder, outputs]) => {
    const entry = locked.get(folder);
    if (entry === undefined) throw new Error(`${folder} is bundled, but not in the lock file`);
    assertInstalled(folder, entry);
    return { ...entry, isTool: false, outputs: [...outputs].map((output) => servedAs(basename(output))) };
  });
}

/** A tree that is not that of the lock file would be accounted for wrongly. */
function assertInstalled(folder, { name, version }) {
  const installed = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  if (installed.version !== version) {
    throw new Error(`${name}: ${installed.version} is installed, the lock file says ${version}: run 'npm ci'`);
  }
}

/** Where browsers get an output; a part that is loaded later has a hash in its name, which says nothing about its origin. */
const servedAs = (name) => `/${name.replace(/-[A-Z0-9]{8}\./, '-*.')}`;

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const identity = ({ name, version, license }) => [name, version, license];

function pageOf(assets, bundled, installed) {
  const assetRows = assets.map((one) => [...identity(one), one.outputs.sort().join(', '), `\`${one.integrity}\``]);
  return `# Third-party software

What comes with the package and the fleet and is not ours. Written by \`npm run docs:third-party\` from the lock file and
from what the bundles hold; \`.ci/run\` fails when it is out of date, or when a licence is not on the list in
\`.ci/licence-rules.js\`. \`npm run sbom\` writes the bill of materials (CycloneDX) of the package into \`dist/sbom.json\`.

## Sent to browsers

The pages of the control room hold these and load nothing from anywhere else. The hash is that of the package's archive in
the npm registry, as the lock file pins it; the notices are served as \`/third-party.txt\`.

${table(['package', 'version', 'licence', 'served in', 'hash'], assetRows)}

## Installed with @tooloo/resilience

Its dependencies and theirs, without the optional peers, which users bring themselves.

${table(['package', 'version', 'licence'], installed.map(identity))}

## Bundled into the fleet's servers

Beside those above which they import. The notices lie in \`dist/servers/third-party.txt\`.

${table(['package', 'version', 'licence'], bundled.map(identity))}
`;
}

/** Lists a package once, also where the tree has it in several places. */
function unique(packages) {
  return [...new Map(packages.map((one) => [`${one.name} ${one.version}`, one])).values()].sort(byName);
}

/** Writes or checks the page by a lock file. */
function account(lock, { pages, servers }) {
  const locked = packagesOf(JSON.parse(readFileSync(resolve(root, lock), 'utf8')));
  const assets = unique(contentsOf(pages, locked));
  const installed = unique([...locked.values()].filter(({ isTool }) => !isTool));
  const known = new Set(installed.map(({ name, version }) => `${name} ${version}`));
  const bundled = unique(contentsOf(servers, locked).filter(({ name, version }) => !known.has(`${name} ${version}`)));
  const faults = [...locked.values(), ...assets, ...bundled].map(faultOf).filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new Error([...new Set(faults)].join('\n'));
  const page = pageOf(assets, bundled, installed);
  if (!values.check) return writeFileSync(target, page);
  if (existsSync(target) && readFileSync(target, 'utf8') === page) return;
  throw new Error("docs/third-party.md is not what the lock file and the bundles say: run 'npm run docs:third-party'");
}

const metafiles = {
  pages: await metafileOf(dashboardBundle(root, 'dist/none')),
  servers: await metafileOf(serverBundle(root, 'dist/none')),
};
for (const lock of values.lock) {
  try {
    account(lock, metafiles);
  } catch (error) {
    console.error(`${lock}: ${error.message}`);
    process.exitCode = 1;
  }
}
