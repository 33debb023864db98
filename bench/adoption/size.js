// How much is installed with the kit.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { judgeMost, publish } from '../report.js';
import { closure, manifestOf, sizeOf } from './installed.js';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** The unpacked size in bytes of the files that `npm publish` would pack. */
function ownSize() {
  const told = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(told)[0].unpackedSize;
}

const { dependencies, peerDependencies } = manifestOf(root);
const own = ownSize();
const always = closure(Object.keys(dependencies), root);
const bytesOf = (packages, more = 0) => [...packages].reduce((sum, folder) => sum + sizeOf(folder), more);
const row = (name, packages, more = 0) => ({
  name,
  cells: [name, packages.size + (more > 0 ? 1 : 0), (bytesOf(packages, more) / 1e6).toFixed(1)],
});
/** The packages that come on top of those that are always there. */
const beside = (names) => new Set([...closure(names, root)].filter((folder) => !always.has(folder)));
/** A tool of TypeScript users, which `tooloo-migrate` uses where it is there. */
const peers = Object.keys(peerDependencies).filter((name) => name !== 'typescript');

publish({
  title: 'Installed size',
  settings: 'as npm lays it out for this platform, native drivers included; what several need counts once',
  columns: ['', 'packages', 'MB'],
  rows: [
    row('the package itself', new Set(), own),
    row('with its dependencies', always, own),
    ...Object.keys(dependencies).map((name) => row(`of these: ${name}`, closure([name], root))),
    ...peers.map((name) => row(`optional: ${name}`, beside([name]))),
    row('all optional peers', beside(peers)),
  ],
  targets: [
    judgeMost({ what: 'packages without the optional ones', most: 25 }, [always.size + 1]),
    judgeMost({ what: 'MB without the optional ones', most: 12 }, [bytesOf(always, own) / 1e6]),
  ],
});
