// The ways to trace that are compared. Each prepares what it needs before Express is loaded, and returns the middleware to
// mount first, if it has one.
import { trace } from '@tooloo/resilience';
import { AsyncLocalStorage } from 'node:async_hooks';

const ours = (samplingRate) => () => trace({ serviceName: 'bench', samplingRate });

/** The floor: what it costs to carry anything at all to what a request starts, and nothing else. */
function carryingAlone() {
  const storage = new AsyncLocalStorage();
  return (req, _res, next) => storage.run(req, next);
}

/** OpenTelemetry as its documentation sets it up. Spans are batched and then discarded. */
async function openTelemetry(samplingRate) {
  const { registerInstrumentations } = await import('@opentelemetry/instrumentation');
  const { ExpressInstrumentation } = await import('@opentelemetry/instrumentation-express');
  const { HttpInstrumentation } = await import('@opentelemetry/instrumentation-http');
  const { BatchSpanProcessor, NodeTracerProvider, ParentBasedSampler, TraceIdRatioBasedSampler } =
    await import('@opentelemetry/sdk-trace-node');
  const nobody = {
    export: (_spans, done) => done({ code: 0 }),
    shutdown: () => Promise.resolve(),
  };
  new NodeTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplingRate) }),
    spanProcessors: [new BatchSpanProcessor(nobody)],
  }).register();
  registerInstrumentations({ instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()] });
}

/** By name: prepares, and returns the middleware, if any. */
export const tracers = {
  none: () => undefined,
  'AsyncLocalStorage alone': carryingAlone,
  'trace, 0 %': ours(0),
  'trace, 10 %': ours(0.1),
  'trace, 100 %': ours(1),
  'trace on cls-hooked, 10 %': async () => {
    const { clsHookedContext } = await import('@tooloo/resilience/cls-hooked');
    return trace({ serviceName: 'bench', samplingRate: 0.1, context: clsHookedContext('bench') });
  },
  'OpenTelemetry, 10 %': () => openTelemetry(0.1),
};
