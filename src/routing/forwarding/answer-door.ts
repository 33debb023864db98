/** Handles every response of an instance: the changes that the application makes, and how the body is passed on. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isHttp2 } from '../../shared/http2-message.js';
import type { StickySessions } from '../sticky-sessions.js';
import { InvalidAnswerError, type ResponseHead } from './answer-head.js';
import type { Attempt } from './attempt.js';
import { Relay, type BodySink, type RelayOwner } from './relay.js';
import { rewriteHead, type RewriteOptions } from './response-rewrites.js';
import { setHead, type FieldCase } from './response-writer.js';
import { upstreamError } from './upstream-error.js';
import { isTransformable, TransformRelay, type BodyTransform } from './transform-relay.js';

export interface AnswerOptions extends RewriteOptions {
  readonly sticky: StickySessions | undefined;
  readonly preserveHeaderCase: boolean;
  readonly transformResponse: BodyTransform | undefined;
  /** The largest body, in bytes, that `transformResponse` may receive. */
  readonly maxTransformedBody: number;
}

/** The highest status that Node's HTTP/2 responses take. */
const MAX_HTTP2_STATUS = 599;

export class AnswerDoor {
  readonly #options: AnswerOptions;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /**
   * The head with what the application changes of it.
   *
   * @throws ResilienceError for a status that cannot be passed on to this client
   */
  finalHead(req: IncomingMessage, checked: ResponseHead, { route }: Attempt): ResponseHead {
    if (isHttp2(req) && checked.status > MAX_HTTP2_STATUS) {
      throw upstreamError(
        route.service,
        new InvalidAnswerError(`Node does not send status ${checked.status} over HTTP/2`),
      );
    }
    return rewriteHead(checked, req, route.target, this.#options);
  }

  /** Sets the final head of the response, of which nothing is written yet, and opens the relay for its body. */
  open(req: IncomingMessage, res: ServerResponse, head: ResponseHead, attempt: Attempt, owner: RelayOwner): BodySink {
    const { sticky, preserveHeaderCase, transformResponse, maxTransformedBody } = this.#options;
    setHead(res, head, preserveHeaderCase ? fieldCaseOf(attempt.rawFields) : undefined);
    sticky?.remember(req, res, attempt.route.target);
    if (transformResponse === undefined || !isTransformable(req, head.status, head.headers, maxTransformedBody)) {
      return new Relay(attempt, res, owner);
    }
    return new TransformRelay(attempt, req, res, transformResponse, maxTransformedBody, owner);
  }
}

/** The names as the instance wrote them, by their lowercase form. */
function fieldCaseOf(rawFields: readonly unknown[] | undefined): FieldCase {
  if (rawFields === undefined) return undefined;
  const names = new Map<string, string>();
  for (let i = 0; i < rawFields.length; i += 2) {
    const name = String(rawFields[i]);
    names.set(name.toLowerCase(), name);
  }
  return names;
}
