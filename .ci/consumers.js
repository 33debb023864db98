// Installs the packed package into new projects, as its users do, and runs programs that use it. The programs cover
// JavaScript and TypeScript, ES modules, CommonJS and bundles, and Express 4 and 5, on every supported Node.
//   npm run test:consumers                 after `npm run build`
//   npm run test:consumers -- bare readme  only these of its parts: bare, readme, runtimes, express
// A Node that cannot be installed is skipped with the reason; with CI_REQUIRE_SERVICES=1 that fails.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { checkBare } from './consumers/bare.js';
import { bringNodes } from './consumers/nodes.js';
import { createProject, install, pack } from './consumers/npm.js';
import { COMPILATIONS, compileProgram } from './consumers/programs.js';
import { checkReadme } from './consumers/readme.js';
import { outputOf, runProgram, together } from './consumers/run.js';
import { checkRuntimes } from './consumers/runtimes.js';

/** The entries beside the main one, and the package that each needs where it needs one. */
const ENTRIES = {
  compose: undefined,
  'rate-limit': undefined,
  trace: undefined,
  metrics: undefined,
  cache: undefined,
  health: undefined,
  proxy: undefined,
  pool: undefined,
  scaling: undefined,
  'service-client': undefined,
  redis: undefined, // takes the user's own client
  kubernetes: undefined,
  doctor: undefined,
  migrate: undefined,
  testing: undefined,
  postgres: 'pg',
  'cls-hooked': 'cls-hooked',
  opentelemetry: '@opentelemetry/api',
};
const PEERS = ['ioredis', 'pg', 'cls-hooked', '@opentelemetry/api', 'axios', 'prom-client'];
const TYPES = ['@types/node@20', '@types/pg', '@types/cls-hooked'];

const rows = [];
const begun = performance.now();

/** Records the outcome of one consumer: under an Express, on a Node, or both. */
function note(consumer, { express, node }, fault) {
  rows.push({ consumer, express, node, fault });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0).padStart(4);
  console.log(
    `${seconds} s  ${fault === undefined ? 'ok  ' : 'FAIL'}  ${placeOf({ express, node }).padEnd(24)}  ${consumer}`,
  );
}

const placeOf = ({ express, node }) =>
  [express && `Express ${express}`, node && `Node ${node.version}`].filter(Boolean).join(', ');

/** The fault in the message of an entry whose package is missing; undefined if the message is right. */
function faultWithoutPeer(entry, outcome) {
  const peer = ENTRIES[entry];
  if (peer === undefined) return outcome === true ? undefined : `${entry}: ${outcome}`;
  const isNamed = typeof outcome === 'string' && /MODULE_NOT_FOUND: Cannot find (module|package)/.test(outcome);
  return isNamed && outcome.includes(`'${peer}'`) ? undefined : `${entry}: '${outcome}' does not name ${peer}`;
}

/** Before the peers are there: the entries that need none load, the others say which package is missing. */
async function checkWithoutPeers({ project, node, folder }) {
  for (const program of ['entries.mjs', 'entries.cjs']) {
    const outcomes = JSON.parse(await outputOf(node.path, [join(folder, program), ...Object.keys(ENTRIES)], project));
    const faults = Object.entries(outcomes).map(([entry, outcome]) => faultWithoutPeer(entry, outcome));
    const found = faults.filter((fault) => fault !== undefined);
    note(`${program}, no peers installed`, { node }, found.length === 0 ? undefined : found.join('\n'));
  }
}

/** A SQLite driver that an older Node installed, and a later one cannot load: Node's own takes its place. */
async function checkForeignDriver({ project, node, installer, folder }) {
  const said = await outputOf(node.path, [join(folder, 'foreign-driver.mjs')], project);
  note(`a tree installed by Node ${installer.version}`, { node }, said === 'works' ? undefined : `said '${said}'`);
}

async function compileAll(project, compilations, express) {
  const compiled = await together(compilations.map((compilation) => () => compileProgram(project, compilation)));
  for (const { name, fault } of compiled) note(`TypeScript ${name}: types`, { express }, fault);
  return compiled.filter(({ fault }) => fault === undefined);
}

/** Every program of the project on every Node. */
async function runAll(project, compiled, nodes, express) {
  const programs = compiled.flatMap(({ name, folder, programs: own }) =>
    own.map((program) => ({ consumer: `TypeScript ${name}: ${program}`, program, folder })),
  );
  const folderOf = (wanted) => compiled.find(({ name }) => name === wanted)?.folder;
  for (const [program, wanted] of [
    ['main.mjs', 'nodenext ESM'],
    ['main.cjs', 'nodenext CJS'],
  ]) {
    const folder = folderOf(wanted);
    if (folder !== undefined) programs.push({ consumer: `JavaScript ${program}`, program, folder });
  }
  const runs = nodes.flatMap((node) =>
    programs.map(({ consumer, program, folder }) => async () => {
      const fault = await runProgram(node.path, program, folder);
      note(consumer, { express, node }, fault);
    }),
  );
  await together(runs);
}

/** Where a consumer works, in a line: 'Express 5 on 20, 22, 24; Express 4 on 20, 22, 24'. */
function summaryOf(consumer) {
  const good = rows.filter((row) => row.consumer === consumer && row.fault === undefined);
  const parts = [...new Set(good.map(({ express }) => express))].map((express) => {
    const nodes = good.filter((row) => row.express === express && row.node !== undefined).map(({ node }) => node.major);
    const on = nodes.length === 0 ? '' : `${express === undefined ? 'Node' : ' on'} ${nodes.join(', ')}`;
    return `${express === undefined ? '' : `Express ${express}`}${on}`;
  });
  if (good.length === 0) return 'nowhere';
  return parts.join('; ') || 'this machine';
}

/** Prints what works, what does not and what was not tried; the exit code. */
function report(nodes) {
  const faults = rows.filter(({ fault }) => fault !== undefined);
  const missing = nodes.filter((node) => node.missing !== undefined);
  console.log(`\n${'CONSUMER'.padEnd(40)}  WORKS WITH`);
  for (const consumer of new Set(rows.map((row) => row.consumer))) {
    console.log(`${consumer.padEnd(40)}  ${summaryOf(consumer)}`);
  }
  for (const row of faults) console.log(`\nFAILED  ${row.consumer}, ${placeOf(row)}\n${row.fault}`);
  for (const node of missing) console.log(`\nSKIPPED  Node ${node.major}: ${node.missing}`);
  console.log(`\n${rows.length - faults.length} of ${rows.length} work, ${missing.length} versions of Node skipped`);
  const mayNotSkip = process.env.CI_REQUIRE_SERVICES === '1' && missing.length > 0;
  return faults.length > 0 || mayNotSkip ? 1 : 0;
}

/** The tree that programs run in: installed by the oldest Node, completed by the newest, the peers last. */
async function prepareTree(project, present, packages) {
  // The oldest installs, so that a later one meets a driver that was built for another Node.
  const installer = present[0];
  const newest = present.at(-1);
  await createProject(project, installer.path, packages);
  const folder = join(project, 'plain');
  cpSync(new URL('consumers/programs', import.meta.url), folder, { recursive: true });
  for (const node of present) await checkWithoutPeers({ project, node, folder });
  await install(project, installer.path, ['better-sqlite3@12']);
  if (newest !== installer) await checkForeignDriver({ project, node: newest, installer, folder });
  await install(project, newest.path, PEERS);
}

/** Compiles the programs with the types of each Express. Nothing runs in these trees, so no binary is built for them. */
async function compileEverywhere(folder, tarball) {
  const five = join(folder, 'types-5');
  const packages = [tarball, 'express@5', '@types/express@5', ...PEERS, ...TYPES];
  await createProject(five, process.execPath, [...packages, '--ignore-scripts']);
  const four = join(folder, 'types-4');
  cpSync(five, four, { recursive: true, verbatimSymlinks: true });
  await install(four, process.execPath, ['express@4', '@types/express@4', '--ignore-scripts']);
  const forFour = COMPILATIONS.filter(({ name }) => name.startsWith('nodenext'));
  return { 5: await compileAll(five, COMPILATIONS, 5), 4: await compileAll(four, forFour, 4) };
}

/** Puts what was compiled elsewhere into the tree that it runs in. */
function moveInto(project, compiled) {
  return compiled.map((one) => {
    const folder = join(project, basename(one.folder));
    cpSync(one.folder, folder, { recursive: true });
    return { ...one, folder };
  });
}

async function main(folder) {
  const [tarball, nodes] = await Promise.all([pack(folder), bringNodes(join(folder, 'nodes'))]);
  const present = nodes.filter((node) => node.path !== undefined);
  const chosen = process.argv.slice(2);
  const isChosen = (name) => chosen.length === 0 || chosen.includes(name);
  if (isChosen('bare')) await checkBare(join(folder, 'bare'), tarball, present, note);
  if (isChosen('readme')) await checkReadme(join(folder, 'readme'), tarball, present, note);
  if (isChosen('runtimes')) await checkRuntimes(join(folder, 'runtimes'), tarball, note);
  if (isChosen('express')) await checkExpress(folder, tarball, present);
  return report(nodes);
}

/** Everything under Express 5 and 4, with the optional packages. */
async function checkExpress(folder, tarball, present) {
  const five = join(folder, 'express-5');
  const [compiled] = await Promise.all([
    compileEverywhere(folder, tarball),
    prepareTree(five, present, [tarball, 'express@5']),
  ]);
  const four = join(folder, 'express-4');
  cpSync(five, four, { recursive: true, verbatimSymlinks: true });
  await install(four, present.at(-1).path, ['express@4']);
  await runAll(five, moveInto(five, compiled[5]), present, 5);
  await runAll(four, moveInto(four, compiled[4]), present, 4);
}

const folder = mkdtempSync(join(tmpdir(), 'consumers-'));
try {
  process.exitCode = await main(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
