/** Makes this kit the implementation behind `@opentelemetry/api`. */
import { context, propagation, trace } from '@opentelemetry/api';
import { having, checkValue } from '../../shared/options.js';
import type { DistributedTracer } from '../tracer.js';
import { BridgedContextManager } from './bridged-context.js';
import { BridgedTracerProvider } from './bridged-tracer.js';
import { BridgedPropagator } from './propagator.js';

/** Takes the bridge away again. */
export interface OpenTelemetryRegistration extends Disposable {
  /** Gives the API back. Spans still open are recorded all the same. */
  close(): void;
}

/**
 * From here on, spans of libraries instrumented with `@opentelemetry/api` are children of the current span and are kept and
 * exported with its trace; those begun outside of any trace are traces of this tracer. `context` and `propagation` work on
 * the carrier of this kit and on W3C Trace Context and Baggage.
 *
 * @param tracer records what begins outside of any trace
 * @throws Error where another SDK is registered: two would each see half of every trace
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
