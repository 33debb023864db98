/** What the tracer offers to the engines: `src/shared/instrumentation.ts` answered from the current span. */
import { AsyncResource } from 'node:async_hooks';
import { installInstrumentation, type Instrumentation } from '../shared/instrumentation.js';
import { activeSpan, type Carried } from './context.js';
import type { RequestTrace } from './request-trace.js';
import type { Span } from './span.js';

/** The current span; whatever a carrier holds was put there by this package. */
export function currentSpan(): Span | undefined {
  return (activeSpan() as Carried | undefined)?.span as Span | undefined;
}

// Duck-typed: the trace may come from the other build of this package, whose classes are not these.
function currentRequest(): RequestTrace | undefined {
  const trace = currentSpan()?.trace;
  return trace !== undefined && 'routes' in trace ? (trace as RequestTrace) : undefined;
}

const instrumentation: Instrumentation = {
  startSpan: (operation, attributes) => currentSpan()?.startChild(operation, attributes),
  inject(headers) {
    const span = currentSpan();
    span?.trace.inject(headers, span.spanId);
  },
  current() {
    const span = currentSpan();
    return span === undefined ? undefined : { traceId: span.traceId, spanId: span.spanId, sampled: span.trace.sampled };
  },
  currentRoute: () => currentRequest()?.routes.template,
  nameRoute: (template) => currentRequest()?.routes.name(template),
  // Restores every async context of now, the application's own ones as well.
  bind: (callback) => AsyncResource.bind(callback),
};

/** Lets the engines see the traces of this process. Stateless: it stays when a tracer is shut down, and finds no span. */
export function installTracing(): void {
  installInstrumentation(instrumentation);
}
