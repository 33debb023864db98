// How evenly each algorithm spreads the requests over ten instances.
import { LoadBalancer } from '@tooloo/resilience';
import { publish, spread } from '../report.js';
import { ALGORITHMS, IN_FLIGHT } from './algorithms.js';

const REQUESTS = 100_000;

/** Requests that each of ten instances of these weights got, as multiples of its share. */
function shares(algorithm, weightOf) {
  const balancer = new LoadBalancer(algorithm);
  const weights = Array.from({ length: 10 }, (_, i) => weightOf(i));
  weights.forEach((weight, i) => balancer.addTarget({ id: String(i), port: 1 + i, weight }));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const open = [];
  for (let i = 0; i < REQUESTS; i++) {
    open[i % IN_FLIGHT]?.();
    open[i % IN_FLIGHT] = balancer.begin(balancer.nextTarget(`client ${i}`).id);
  }
  return weights.map((weight, i) => balancer.getLoadStats()[i].requests / ((REQUESTS * weight) / total));
}

const figures = (name, weightOf) => {
  const { least, most } = spread(shares(name, weightOf));
  return [least.toFixed(3), most.toFixed(3)];
};
publish({
  title: 'Requests of ten instances, as multiples of their share',
  settings: `${REQUESTS.toLocaleString('en')} requests of as many clients, ${IN_FLIGHT} in flight; round-robin does not heed weights`,
  columns: ['algorithm', 'equal: least', 'most', 'weights 1, 2, 3: least', 'most'],
  rows: ALGORITHMS.map((name) => ({
    name,
    cells: [name, ...figures(name, () => 1), ...figures(name, (i) => 1 + (i % 3))],
  })),
});
