// How long it takes until the kit is loaded and until a server with it gives its first answer, each time in a new process; and
// how much is installed with it.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { askInRounds } from '../apart.js';
import { machine, publish, spread } from '../report.js';
import { closure, manifestOf, sizeOf } from './installed.js';

const rounds = Number(process.env.ROUNDS ?? 11);
const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');
const NOTHING = 'Node and nothing else';
const names = [
  NOTHING,
  'import the kit',
  'require the kit',
  'Node alone, first answer',
  'Express, first answer',
  'Express and the kit, first answer',
];

const found = await askInRounds({ module: new URL('start-worker.js', import.meta.url).pathname, names, rounds });
const milliseconds = ({ median, least, most }) => `${median.toFixed(0)} (${least.toFixed(0)} – ${most.toFixed(0)})`;
publish({
  title: 'Time to start',
  settings: `from the start of the process; median of ${rounds} interleaved rounds; ${machine()}`,
  columns: ['', 'ms', 'beyond Node itself, ms'],
  rows: names.map((name) => {
    const beyond = spread(found[name].map((ms, round) => ms - found[NOTHING][round]));
    return { name, cells: [name, milliseconds(spread(found[name])), name === NOTHING ? '' : milliseconds(beyond)] };
  }),
});

/** What `npm publish` would pack, unpacked. */
function ownSize() {
  const told = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(told)[0].unpackedSize;
}

const { dependencies, optionalDependencies, peerDependencies } = manifestOf(root);
const own = ownSize();
const always = closure(Object.keys(dependencies), root);
const row = (name, packages, more = 0) => {
  const bytes = [...packages].reduce((sum, folder) => sum + sizeOf(folder), more);
  return { name, cells: [name, packages.size + (more > 0 ? 1 : 0), (bytes / 1e6).toFixed(1)] };
};
/** The packages that come on top of those that are always there. */
const beside = (names) => new Set([...closure(names, root)].filter((folder) => !always.has(folder)));
publish({
  title: 'Installed size',
  settings: 'as npm lays it out for this platform, native drivers included; what several need counts once',
  columns: ['', 'packages', 'MB'],
  rows: [
    row('the package itself', new Set(), own),
    row('with its dependencies', always, own),
    row(
      `on Node 22 and later also ${Object.keys(optionalDependencies).join(', ')}`,
      beside(Object.keys(optionalDependencies)),
    ),
    ...Object.keys(peerDependencies).map((name) => row(`optional: ${name}`, beside([name]))),
    row('all optional peers', beside(Object.keys(peerDependencies))),
    ...[...always]
      .map((folder) => ({ name: manifestOf(folder).name, folder }))
      .filter(({ name }) => name in dependencies)
      .map(({ name, folder }) => row(`of these: ${name}`, new Set([folder]))),
  ],
});
