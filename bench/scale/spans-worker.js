// A tracer that keeps every trace, in a process of its own: the memory of each span of the traces it holds, which are as many
// as it keeps. A trace has as many spans as the argument says, the root included, each with four attributes.
import { DistributedTracer } from '@tooloo/resilience';
import { usedMemory } from '../memory.js';

const spans = Number(process.argv[2]);
const TRACES = 1000;

function fill(tracer, count) {
  for (let i = 0; i < count; i++) {
    const { traceId, spanId } = tracer.startTrace();
    for (let n = 1; n < spans; n++) {
      const child = tracer.startSpan(traceId, `operation ${n}`, spanId);
      tracer.endSpan(traceId, child, 'success', { table: 'items', rows: n, cached: false, key: `item ${i}` });
    }
    tracer.endTrace(traceId, 'success', { route: '/items/:id', status: 200, method: 'GET', key: `item ${i}` });
  }
}

const options = { samplingRate: 1, maxSpans: 1_000_000 };
const another = new DistributedTracer(options); // what is loaded and compiled with the first traces is no trace's
fill(another, 100);
await another.close();
const tracer = new DistributedTracer(options);
const before = await usedMemory();
fill(tracer, TRACES);
const bytes = ((await usedMemory()) - before) / (TRACES * spans);
const { length } = tracer.listTraces({ limit: TRACES });
if (length !== TRACES) throw new Error(`${length} of ${TRACES} traces are kept`);
await tracer.close();
process.send(bytes);
process.disconnect();
