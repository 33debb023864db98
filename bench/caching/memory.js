// Gets and sets in memory, 1,000 keys in no order: the layer beside the list it is built on and the caches Node users have.
// Each has a process of its own in every round: in one, the code that some of them share would be compiled for all of them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { machine, shuffled, spread } from '../harness.js';
import { judge, publish, ratio, whole } from '../report.js';
import { caches } from './memory-caches.js';

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const worker = new URL('memory-worker.js', import.meta.url).pathname;

async function measure(name) {
  const child = fork(worker, [name]);
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${name} ended with ${code}`)));
  ended.catch(() => undefined); // it may end once it has answered
  const [rates] = await Promise.race([once(child, 'message'), ended]);
  return rates;
}

const names = Object.keys(caches);
const rates = { get: {}, set: {} };
for (let round = 0; round < ROUNDS; round++) {
  for (const name of shuffled(names)) {
    const measured = await measure(name);
    for (const operation of ['get', 'set']) (rates[operation][name] ??= []).push(measured[operation]);
  }
}

for (const [title, found, peers] of [
  ['Gets from memory', rates.get, ['lru-cache', 'lru-cache with ttl']],
  ['Sets in memory', rates.set, []],
]) {
  publish({
    title,
    settings: `${ROUNDS} interleaved rounds, each cache in a process of its own; ${machine()}`,
    columns: ['', 'operations/s, undisturbed'],
    rows: names.map((name) => {
      const rate = spread(found[name]);
      return { name, rate, cells: [name, `${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)})`] };
    }),
    notes: names
      .filter((name) => name !== 'ours')
      .map((name) => `ours / ${name}: ${ratio(spread(found.ours.map((rate, round) => rate / found[name][round])))}`),
    targets: peers.map((of) => judge({ name: 'ours', of, least: 0.8 }, found)),
  });
}
