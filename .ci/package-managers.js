// Installs the packed package with each package manager, with and without install scripts, and runs it on each Node. There is no
// compiler: the only program that an installation finds is Node itself.
//   node .ci/package-managers.js            after `npm run build`: prints the table
//   node .ci/package-managers.js --write    also puts it into docs/compatibility.md
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringNodes } from './consumers/nodes.js';
import { createProject, pack } from './consumers/npm.js';
import { outputOf } from './consumers/run.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs/compatibility.md');
const BEGIN = '<!-- package managers: written by .ci/package-managers.js -->';
const END = '<!-- end of package managers -->';

const PROGRAM = 'managed.mjs';

/** Each with its program in its package, and how it installs and runs. */
const MANAGERS = [
  { name: 'npm 10', tool: 'npm@10', cli: 'bin/npm-cli.js', add: ['install', '--no-audit', '--no-fund'] },
  { name: 'npm 11', tool: 'npm@11', cli: 'bin/npm-cli.js', add: ['install', '--no-audit', '--no-fund'] },
  { name: 'pnpm 10', tool: 'pnpm@10', cli: 'bin/pnpm.cjs', add: ['add'] },
  { name: 'yarn 1', tool: 'yarn@1', cli: 'bin/yarn.js', add: ['add', '--non-interactive'] },
  {
    name: 'yarn 4 (Plug’n’Play)',
    tool: '@yarnpkg/cli-dist@4',
    cli: 'bin/yarn.js',
    add: ['add'],
    settings: { 'yarn.lock': '', '.yarnrc.yml': 'enableTelemetry: false\n' },
    scripts: 'YARN_ENABLE_SCRIPTS',
    hooks: ['--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs', '--no-warnings'],
  },
];

/** A folder that holds `node` and nothing else, for PATH. */
function onlyNode(folder, { path }) {
  mkdirSync(folder, { recursive: true });
  symlinkSync(path, join(folder, 'node'));
  return folder;
}

/** One installation, and the program on every Node: '✓', or what went wrong. */
async function tryManager(folder, manager, withScripts, { tarball, tools, nodes }) {
  const { name, tool, cli, add, settings = {}, scripts, hooks = [] } = manager;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "managed", "private": true }\n');
  for (const [file, text] of Object.entries(settings)) writeFileSync(join(folder, file), text);
  cpSync(new URL(`consumers/programs/${PROGRAM}`, import.meta.url), join(folder, PROGRAM));
  const bin = onlyNode(join(folder, '.bin-of-node'), nodes[0]);
  const refusal = scripts === undefined ? ['--ignore-scripts'] : [];
  const packages = [name.startsWith('yarn 4') ? `@tooloo/resilience@file:${tarball}` : `file:${tarball}`, 'express@5'];
  const args = [join(tools, 'node_modules', nameOf(tool), cli), ...add, ...packages, ...(withScripts ? [] : refusal)];
  const environment = { PATH: bin, ...(scripts !== undefined && { [scripts]: String(withScripts) }) };
  try {
    await outputOf(nodes[0].path, args, folder, environment);
  } catch (error) {
    return nodes.map(() => `does not install: ${firstFault(error)}`);
  }
  const run = (node) =>
    outputOf(node.path, [...hooks, PROGRAM], folder, { PATH: bin }).catch((error) => firstFault(error));
  return Promise.all(nodes.map(run));
}

const nameOf = (tool) => tool.replace(/@[^@]+$/, '');

const firstFault = ({ message }) => /^.*(?:error|ERR).*$/im.exec(message)?.[0] ?? message.split('\n')[0];

function tableOf(rows, nodes) {
  const head = ['Package manager', 'Install scripts', ...nodes.map(({ major }) => `Node ${major}`)];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function writeInto(table) {
  const text = readFileSync(page, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const [, after] = rest.split(END);
  writeFileSync(page, `${before}${BEGIN}\n\n${table}\n\n${END}${after}`);
}

async function main(folder) {
  const [tarball, nodes] = await Promise.all([pack(folder), bringNodes(join(folder, 'nodes'))]);
  const present = nodes.filter(({ path }) => path !== undefined);
  for (const { major, missing } of nodes) if (missing !== undefined) console.log(`SKIPPED  Node ${major}: ${missing}`);
  const rows = [];
  for (const manager of MANAGERS) {
    const tools = join(folder, 'tools', manager.name);
    await createProject(tools, process.execPath, [manager.tool, '--ignore-scripts']);
    chmodSync(join(tools, 'node_modules', nameOf(manager.tool), manager.cli), 0o755);
    for (const withScripts of [true, false]) {
      const place = join(folder, 'projects', `${manager.name}-${withScripts}`);
      const outcomes = await tryManager(place, manager, withScripts, { tarball, tools, nodes: present });
      rows.push([manager.name, withScripts ? 'run' : 'ignored', ...outcomes]);
      console.log(rows.at(-1).join(' | '));
    }
  }
  const table = tableOf(rows, present);
  console.log(`\n${table}`);
  if (process.argv.includes('--write')) writeInto(table);
  return rows.every((row) => row.slice(2).every((outcome) => outcome.startsWith('works'))) ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'managers-'));
try {
  process.exitCode = await main(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
