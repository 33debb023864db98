/** Makes this kit the implementation behind `@opentelemetry/api`. */
import { context, propagation, trace } from '@opentelemetry/api';
import { having, checkValue } from '../../shared/options.js';
import type { DistributedTracer } from '../tracer.js';
import { BridgedContextManager } from './bridged-context.js';
import { BridgedTracerProvider } from './bridged-tracer.js';
import { BridgedPropagator } from './propagator.js';

/**
 * Removes the bridge.
 *
 * @example
 * import { registerOpenTelemetry } from '@tooloo/resilience/opentelemetry';
 *
 * const registration = registerOpenTelemetry(tracer);
 * registration.close();
 */
export interface OpenTelemetryRegistration extends Disposable {
  /** Removes the bridge from the API. Open spans are still recorded. */
  close(): void;
}

/**
 * Connects libraries instrumented with `@opentelemetry/api` to this kit. From now on their spans are children of the
 * current span, and are kept and exported with its trace. Spans outside of any trace begin traces of this tracer.
 * `context` and `propagation` use the carrier of this kit, and W3C Trace Context and Baggage.
 *
 * @param tracer records spans that begin outside of any trace
 * @throws Error if another SDK is registered, because each of the two would see half of every trace
 *
 * @example
 * import { registerOpenTelemetry } from '@tooloo/resilience/opentelemetry';
 *
 * const registration = registerOpenTelemetry(tracer);
 * registration.close();
 */
export function registerOpenTelemetry(tracer: DistributedTracer): OpenTelemetryRegistration {
  checkValue('registerOpenTelemetry', tracer, having('a DistributedTracer', 'startTrace', 'wallOffset'));
  const undo: (() => void)[] = [];
  const close = (): void => {
    for (const one of undo.splice(0)) one();
  };
  const claim = (isOurs: boolean, giveBack: () => void): void => {
    if (isOurs) return void undo.push(giveBack);
    close();
    throw new Error('registerOpenTelemetry: @opentelemetry/api has another SDK registered already');
  };
  claim(context.setGlobalContextManager(new BridgedContextManager()), () => context.disable());
  claim(trace.setGlobalTracerProvider(new BridgedTracerProvider(tracer)), () => trace.disable());
  claim(propagation.setGlobalPropagator(new BridgedPropagator()), () => propagation.disable());
  return { close, [Symbol.dispose]: close };
}
