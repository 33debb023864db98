/**
 * Records a trace, sends it with OpenTelemetry's exporter to the collector named by its argument, and sends its parent
 * what it recorded. It is a separate program, because the exporter loads its transport by `import()`, which Jest
 * does not support.
 */
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { openTelemetryExporter, registerOpenTelemetry } from '../../../src/opentelemetry.js';
import { startSpan } from '../../../src/shared/instrumentation.js';
import { withSpan } from '../../../src/tracing/run-span.js';
import { DistributedTracer } from '../../../src/tracing/tracer.js';

async function main(collector: string): Promise<void> {
  const exporter = openTelemetryExporter(new OTLPTraceExporter({ url: `${collector}/v1/traces` }), {
    resource: { 'deployment.environment.name': 'test' },
  });
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, exporter });
  const registration = registerOpenTelemetry(tracer);
  const undici = new UndiciInstrumentation();
  undici.setTracerProvider(trace.getTracerProvider());

  const traceId = await tracer.trace('job', async (root) => {
    root.addLog('halfway', 'warn', { share: 0.5 });
    withSpan('call', () => undefined, { tags: ['a', 'b'], retry: true });
    startSpan('query')?.end(new Error('locked'));
    // Instrumented by OpenTelemetry, knowing nothing of us.
    await (await fetch(`${collector}/elsewhere`, { method: 'POST' })).text();
    return root.traceId;
  });
  await exporter.flush();
  const stats = exporter.stats();
  await tracer.shutdown();
  undici.disable();
  registration.close();
  process.send?.({ kept: tracer.getTrace(traceId)?.spans, stats, totalTraces: tracer.getMetrics().totalRequests });
  process.disconnect();
}

void main(process.argv[2]!);
