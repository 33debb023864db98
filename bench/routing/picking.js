// What it costs to pick an instance, for 10 to 10,000 of them, with each request begun and ended as a proxy does; and how
// evenly each algorithm spreads the requests.
import { LoadBalancer } from '@tooloo/resilience';
import { machine, spread } from '../harness.js';
import { publish } from '../report.js';

const SIZES = [10, 100, 1000, 10_000];
const ALGORITHMS = ['round-robin', 'least-connections', 'weighted', 'ip-hash', 'p2c-ewma', 'consistent-hash'];
const IN_FLIGHT = 200;
const BATCH = 20_000;
const ROUNDS = Number(process.env.ROUNDS ?? 7);

/** Microseconds of one pick with its accounts, in each round. */
function measure(algorithm, size) {
  const balancer = new LoadBalancer(algorithm);
  for (let i = 0; i < size; i++) balancer.addTarget({ port: 1 + i, weight: 1 + (i % 3) });
  const open = [];
  let next = 0;
  const run = () => {
    for (let i = 0; i < BATCH; i++, next++) {
      open[next % IN_FLIGHT]?.();
      open[next % IN_FLIGHT] = balancer.begin(balancer.nextTarget(`client ${next % 5000}`).id);
    }
  };
  run(); // compiled, and as many in flight as there will be
  return Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    run();
    return ((performance.now() - began) * 1000) / BATCH;
  });
}

/** Microseconds until the pick after an instance came: the candidates are chosen anew. */
function measureChange(algorithm, size) {
  const balancer = new LoadBalancer(algorithm);
  for (let i = 0; i < size; i++) balancer.addTarget({ port: 1 + i });
  return Array.from({ length: ROUNDS }, (_, i) => {
    balancer.nextTarget('key');
    const began = performance.now();
    balancer.addTarget({ port: 20_000 + i });
    balancer.nextTarget('key');
    return (performance.now() - began) * 1000;
  });
}

/** Requests that each of ten instances of these weights got, as multiples of its share. */
function shares(algorithm, weightOf) {
  const balancer = new LoadBalancer(algorithm);
  const weights = Array.from({ length: 10 }, (_, i) => weightOf(i));
  weights.forEach((weight, i) => balancer.addTarget({ id: String(i), port: 1 + i, weight }));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const requests = 100_000;
  const open = [];
  for (let i = 0; i < requests; i++) {
    open[i % IN_FLIGHT]?.();
    open[i % IN_FLIGHT] = balancer.begin(balancer.nextTarget(`client ${i}`).id);
  }
  return weights.map((weight, i) => balancer.getLoadStats()[i].requests / ((requests * weight) / total));
}

function table(title, measured) {
  publish({
    title,
    settings: `median of ${ROUNDS} rounds; ${machine()}`,
    columns: ['algorithm', ...SIZES.map((size) => `${size.toLocaleString('en')} instances, µs`), 'growth'],
    rows: ALGORITHMS.map((name) => {
      const costs = SIZES.map((size) => spread(measured(name, size)).median);
      return {
        name,
        cells: [name, ...costs.map((cost) => cost.toFixed(2)), `${(costs.at(-1) / costs[0]).toFixed(1)} ×`],
      };
    }),
  });
}

table('Picking an instance, beginning and ending its request', measure);
table('The first pick after an instance came', measureChange);

const figures = (name, weightOf) => {
  const { least, most } = spread(shares(name, weightOf));
  return [least.toFixed(3), most.toFixed(3)];
};
publish({
  title: 'Requests of ten instances, as multiples of their share',
  settings: `100,000 requests of as many clients, ${IN_FLIGHT} in flight; round-robin does not heed weights`,
  columns: ['algorithm', 'equal: least', 'most', 'weights 1, 2, 3: least', 'most'],
  rows: ALGORITHMS.map((name) => ({
    name,
    cells: [name, ...figures(name, () => 1), ...figures(name, (i) => 1 + (i % 3))],
  })),
});
