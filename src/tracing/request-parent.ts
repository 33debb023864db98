/** The remote or foreign parent of a trace. */
import type { OwningTrace } from './span.js';

/** The origin of a trace that another service began. */
export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly traceState?: string | undefined;
  readonly baggage?: string | undefined;
}

/** The parent of a request: a remote trace, or a span that another SDK has opened for the same request. */
export interface RequestParent extends RemoteParent {
  /** The existing span of the request, which the kit's span replaces. Absent for a remote parent. */
  readonly adopted?: AdoptedSpan;
}

/** A span of the same request that another library began. */
export interface AdoptedSpan {
  readonly parentSpanId: string | undefined;
  /** The kit's trace that recorded it, if this package is the SDK; undefined if another SDK exports it. */
  readonly trace: SupersededTrace | undefined;
}

/** A trace that the trace of a request replaces. */
export interface SupersededTrace {
  giveWayTo(successor: OwningTrace): void;
}
