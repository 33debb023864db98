// What it costs to pick an instance, for 10 to 10,000 of them, with each request begun and ended as a proxy does; and what
// the pick after a change costs.
import { LoadBalancer } from '@tooloo/resilience';
import { judgeGrowth, measureCurves, publishCurves } from '../curves.js';
import { machine } from '../report.js';
import { ALGORITHMS, IN_FLIGHT } from '../routing/algorithms.js';

const SIZES = [10, 100, 1000, 10_000];
const BATCH = 4_000;
const BATCHES = 20;
const CHANGES = 5;
const CLIENTS = Array.from({ length: 5000 }, (_, i) => `client ${i}`);
const rounds = Number(process.env.ROUNDS ?? 7);

function balancerOf(algorithm, size) {
  const balancer = new LoadBalancer(algorithm);
  for (let i = 0; i < size; i++) balancer.addTarget({ port: 1 + i, weight: 1 + (i % 3) });
  return balancer;
}

/** By name and size: runs a batch. As many requests are in flight as there will be, once it has run. */
function batchesOf(algorithm) {
  return Object.fromEntries(
    SIZES.map((size) => {
      const balancer = balancerOf(algorithm, size);
      const open = [];
      let next = 0;
      const run = () => {
        for (let i = 0; i < BATCH; i++, next++) {
          open[next % IN_FLIGHT]?.();
          open[next % IN_FLIGHT] = balancer.begin(balancer.nextTarget(CLIENTS[next % CLIENTS.length]).id);
        }
      };
      run();
      return [size, run];
    }),
  );
}

/** Microseconds until the pick after an instance came: the candidates are chosen anew. */
function timeChange(balancer) {
  balancer.nextTarget('key');
  const began = performance.now();
  for (let i = 0; i < CHANGES; i++) {
    balancer.addTarget({ port: 20_000 + i });
    balancer.nextTarget('key');
  }
  const took = performance.now() - began;
  for (let i = 0; i < CHANGES; i++) balancer.removeTarget(`127.0.0.1:${20_000 + i}`);
  return (took * 1000) / CHANGES;
}

const batches = Object.fromEntries(ALGORITHMS.map((name) => [name, batchesOf(name)]));
const picking = await measureCurves({
  names: ALGORITHMS,
  sizes: SIZES,
  rounds,
  measure(name, size) {
    const durations = Array.from({ length: BATCHES }, () => {
      const began = performance.now();
      batches[name][size]();
      return performance.now() - began;
    }).sort((a, b) => a - b);
    const fastest = durations.slice(0, BATCHES / 5); // nothing else had the processor
    return (1000 * fastest.reduce((sum, one) => sum + one, 0)) / fastest.length / BATCH;
  },
});
const settings = `median of ${rounds} interleaved rounds, undisturbed; ${machine()}`;
const [least, most] = [SIZES[0], SIZES.at(-1)];
/** The growth that O(log n) allows, if access to memory took the same time at every size. */
const LOGARITHMIC = Math.log(most) / Math.log(least);
const span = `${least} to ${most.toLocaleString('en')} instances`;
publishCurves({
  title: 'Picking an instance, beginning and ending its request',
  settings,
  x: 'instances',
  y: 'µs',
  samples: picking,
  targets: ALGORITHMS.map((name) =>
    judgeGrowth({ what: `${name}: no more than O(log n) from ${span}`, most: LOGARITHMIC }, picking[name]),
  ),
});

const changing = Object.fromEntries(
  ALGORITHMS.map((name) => [name, Object.fromEntries(SIZES.map((size) => [size, balancerOf(name, size)]))]),
);
publishCurves({
  title: 'The first pick after an instance came',
  settings,
  x: 'instances',
  y: 'µs',
  samples: await measureCurves({
    names: ALGORITHMS,
    sizes: SIZES,
    rounds,
    measure: (name, size) => timeChange(changing[name][size]),
  }),
});
