// The effect of a change of the kit on the gateway: this checkout against another one, in one run. BEFORE names the
// folder of the other, in which the kit is built and the packages of `bench/` are installed. Its `bench/` is to be a copy of this one.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { publish, ratio, spread, whole } from '../report.js';
import { sampleInSlices, settingsOf } from '../slices.js';
import { gateways, nodes, startOrigin } from './gateways.js';

const STACKS = ['proxy alone', 'all five', 'all five, Express'];
const HIT = ['with cache', 'all five', 'all five, Express'];
const CONNECTIONS = 50;
const WARM_UP = 6;
const rounds = Number(process.env.ROUNDS ?? 3);
const slices = Number(process.env.SLICES ?? 16);
const milliseconds = 200;
const { BEFORE } = process.env;
if (BEFORE === undefined) throw new Error('BEFORE must name the folder of the checkout to compare with');
const commit = execFileSync('git', ['-C', BEFORE, 'show', '-s', '--format=%h of %as'], { encoding: 'utf8' }).trim();

const WORKLOADS = {
  'GET of 1 KB': { stacks: STACKS },
  'POST of 1 KB': { stacks: STACKS, script: new URL('post.lua', import.meta.url).pathname },
  hit: { stacks: HIT, path: '/cached.json' },
};

const origin = await startOrigin();
for (const node of nodes) await compareOn(node);
origin.child.kill();
process.exit();

async function compareOn({ executable, version }) {
  const rows = [];
  for (const [kind, workload] of Object.entries(WORKLOADS)) rows.push(...(await rowsOf(kind, workload, executable)));
  publish({
    title: `Before and after on Node ${version.slice(1)}`,
    settings:
      `before is commit ${commit}; requests a second, and µs of processor time for each; ` +
      settingsOf({ rounds, slices, milliseconds, connections: `${CONNECTIONS} connections`, version }),
    columns: ['request', 'server', 'before', 'after', 'after / before'],
    rows,
  });
}

async function rowsOf(kind, { stacks, ...workload }, executable) {
  const now = gateways(stacks, origin, executable);
  const servers = {};
  for (const name of stacks) {
    servers[`before ${name}`] = { ...now[name], module: join(BEFORE, 'bench/gateway/server.js') };
    servers[`after ${name}`] = now[name];
  }
  const load = { connections: CONNECTIONS, ...workload };
  const samples = await sampleInSlices({ servers, workload: load, warmUp: WARM_UP, rounds, slices, milliseconds });
  return stacks.map((name) => {
    const [before, after] = [samples[`before ${name}`], samples[`after ${name}`]];
    const factor = spread(after.map(({ rate }, round) => rate / before[round].rate));
    return { name: `${kind}, ${name}`, cells: [kind, name, figureOf(before), figureOf(after), ratio(factor)] };
  });
}

function figureOf(samples) {
  const median = (key) => spread(samples.map((sample) => sample[key])).median;
  return `${whole(median('rate'))}, ${median('cost').toFixed(0)} µs`;
}
