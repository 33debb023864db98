/** The form of a prepared request for one target. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { RecordedSpan } from '../../shared/instrumentation.js';
import type { Target } from '../target.js';
import { attemptFields, trailerFields } from './headers.js';
import type { PreparedRequest } from './incoming.js';
import type { UpstreamRequest } from './upstream-call.js';

export interface SendOptions {
  /** Also the source of the trailers, which are sent after its body has ended. */
  readonly req: IncomingMessage;
  /** The span of the attempt. Without one, the trace of the request is sent. */
  readonly span: RecordedSpan | undefined;
  readonly onFreshConnection: boolean;
}

export function requestAt(
  target: Target,
  { method, path, fields, framing, expectContinue, hasTrailers, changesOrigin }: PreparedRequest,
  body: Buffer | Readable | null,
  { req, span, onFreshConnection }: SendOptions,
): UpstreamRequest {
  return {
    method,
    path: pathAt(target, path),
    headers: fieldsAt(target, attemptFields(fields, span, req), changesOrigin),
    body,
    isChunked: framing.kind === 'chunked',
    expectContinue,
    trailers: hasTrailers ? () => trailerFields(req.trailers) : undefined,
    onFreshConnection,
  };
}

/** The path of the request to a target. */
export function pathAt({ basePath }: Target, path: string): string {
  if (basePath === '') return path;
  return path.startsWith('/?') ? basePath + path.slice(1) : basePath + path;
}

/** The fields for a target, with its own name as the host if that is configured. */
export function fieldsAt({ authority }: Target, fields: string[], changesOrigin: boolean): string[] {
  if (!changesOrigin) return fields;
  const own = fields[0]?.toLowerCase() === 'host' ? fields.slice(2) : fields;
  return ['host', authority, ...own];
}
