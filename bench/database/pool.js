// Acquire and release, beside the pools that Node users have: one caller after the other, and a hundred for ten connections.
import { microbenchmark } from '../harness.js';
import { pools } from './pools.js';

const url = process.env.DATABASE_URL ?? 'postgres://root@127.0.0.1:5432/test';
const AT_ONCE = 100;

function inTurn({ acquire, release }) {
  return async (n) => {
    for (let i = 0; i < n; i++) release(await acquire());
  };
}

function inCrowds({ acquire, release }) {
  const borrow = async () => release(await acquire());
  return async (n) => {
    for (let i = 0; i < n; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, borrow));
  };
}

const opened = {};
for (const [name, open] of Object.entries(pools)) opened[name] = await open(url);
const peers = Object.keys(pools).filter((name) => name !== 'ours');
const each = (scenario) => Object.fromEntries(Object.entries(opened).map(([name, pool]) => [name, scenario(pool)]));

for (const [title, scenario, batch] of [
  ['Acquire and release, one caller after the other', inTurn, 1000],
  [`Acquire and release, ${AT_ONCE} callers for 10 connections`, inCrowds, 1000],
]) {
  await microbenchmark({
    title,
    functions: each(scenario),
    ours: 'ours',
    quietest: true,
    rounds: Number(process.env.ROUNDS ?? 7),
    milliseconds: 200,
    batch,
    targets: peers.map((of) => ({ name: 'ours', of, least: 2 })),
  });
}
for (const { end } of Object.values(opened)) await end();
