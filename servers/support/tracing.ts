/** The tracer of a server, with the context carrier and the exporter from its settings. */
import { asyncContext, DistributedTracer, otlpExporter, type ContextCarrier } from '../../src/index.js';
import type { FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';

export interface Tracing {
  readonly tracer: DistributedTracer;
  readonly carrier: ContextCarrier;
  close(): Promise<void>;
}

/** Namespace in which code that uses cls-hooked finds the trace: `getNamespace('tooloo').get('traceId')`. */
const NAMESPACE = 'tooloo';

export async function openTracing(serviceName: ServiceName, config: FleetConfig): Promise<Tracing> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracer = new DistributedTracer({
    serviceName,
    samplingRate: config.TRACE_SAMPLING_RATE,
    ...(endpoint !== undefined && { exporter: otlpExporter({ url: endpoint, serviceName }) }),
  });
  return { tracer, carrier: await openCarrier(config), close: () => tracer.close() };
}

async function openCarrier(config: FleetConfig): Promise<ContextCarrier> {
  if (config.TRACE_CONTEXT === 'async') return asyncContext();
  // Imported only here, because cls-hooked patches the process as soon as it is loaded.
  const { clsHookedContext } = await import('../../src/cls-hooked.js');
  return clsHookedContext(NAMESPACE);
}
