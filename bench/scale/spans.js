// The memory of a span of a kept trace, by the number of spans a trace has.
import { askWorker } from '../apart.js';
import { measureCurves, publishCurves } from '../curves.js';
import { machine } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 5);
const worker = new URL('spans-worker.js', import.meta.url).pathname;

publishCurves({
  title: 'Memory of a span',
  settings: `1,000 kept traces, four attributes per span; ${rounds} rounds, each in its own process; ${machine()}`,
  x: 'spans a trace',
  y: 'bytes',
  samples: await measureCurves({
    names: ['a span of a kept trace'],
    sizes: [1, 10, 100],
    rounds,
    measure: (_name, size) => askWorker(worker, size),
  }),
});
