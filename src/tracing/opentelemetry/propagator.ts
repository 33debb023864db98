/**
 * Trace Context and Baggage for code that propagates through `@opentelemetry/api`: it reads and writes the same fields
 * as the rest of this kit.
 */
import {
  isSpanContextValid,
  propagation,
  trace as api,
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from '@opentelemetry/api';
import { propagatableBaggage } from '../baggage.js';
import { formatTraceparent } from '../trace-context.js';
import { readRemoteParent } from '../trace.js';
import { baggageField, baggageFrom, isSuppressed } from './bridged-context.js';
import { recordedSpan } from './bridged-span.js';
import { fromSpanContext, toSpanContext } from './span-context.js';

const FIELDS = ['traceparent', 'tracestate', 'baggage'];

type Fields = Record<string, string | string[] | undefined>;

/** The header fields for a context; empty if propagation is suppressed there. */
function fieldsOf(context: Context): Fields {
  const fields: Fields = {};
  if (isSuppressed(context)) return fields;
  const span = recordedSpan(api.getSpan(context));
  const remote = api.getSpanContext(context);
  if (span !== undefined) span.trace.inject(fields, span.spanId);
  else if (remote !== undefined && isSpanContextValid(remote)) {
    const identity = fromSpanContext(remote);
    fields['traceparent'] = formatTraceparent(identity);
    fields['tracestate'] = identity.traceState;
  }
  fields['baggage'] = baggageField(context) ?? fields['baggage'];
  return fields;
}

export class BridgedPropagator implements TextMapPropagator {
  inject<C>(context: Context, carrier: C, setter: TextMapSetter<C>): void {
    for (const [name, value] of Object.entries(fieldsOf(context))) {
      if (typeof value === 'string' && value !== '') setter.set(carrier, name, value);
    }
  }

  extract<C>(context: Context, carrier: C, getter: TextMapGetter<C>): Context {
    const fields: Fields = {};
    for (const name of FIELDS) {
      const value = getter.get(carrier, name);
      // A traceparent sent twice names no trace.
      fields[name] = Array.isArray(value) && value.length === 1 ? value[0] : value;
    }
    const parent = readRemoteParent(fields);
    const baggage = propagatableBaggage([fields['baggage'] ?? []].flat().join(','));
    const extracted =
      parent === undefined ? context : api.setSpanContext(context, { ...toSpanContext(parent), isRemote: true });
    return baggage === undefined ? extracted : propagation.setBaggage(extracted, baggageFrom(baggage));
  }

  fields(): string[] {
    return [...FIELDS];
  }
}
