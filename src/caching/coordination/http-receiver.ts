/** The routes to which peers post messages, and digests to compare. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startTimer, type Clock } from '../../shared/clock.js';
import { isDirectLocalRequest, type ControlMode } from '../../shared/control-access.js';
import { ResilienceError } from '../../shared/errors.js';
import { originalPath, type Middleware } from '../../shared/http.js';
import { sendError } from '../../shared/problem.js';
import { MAX_BYTES, parseDigestQuestion, parseMessages } from './messages.js';
import { SequenceGuard, isSigned, sign, type Envelope } from './signature.js';
import type { CoordinationReceiver } from './transport.js';

/** A media type that no body parser handles, because the signature is over the bytes. */
export const CONTENT_TYPE = 'application/vnd.tooloo.cache-coordination';
export const HEADERS = {
  origin: 'x-cache-origin',
  session: 'x-cache-session',
  sequence: 'x-cache-sequence',
  challenge: 'x-cache-challenge',
  signature: 'x-cache-signature',
} as const;

/** Milliseconds in which a body must arrive. */
const BODY_TIMEOUT = 5_000;
const BODY_SLACK = 64 * 1024;

export interface HttpReceiverOptions {
  readonly path: string;
  readonly secret: string | undefined;
  readonly control: ControlMode | undefined;
  readonly clock: Clock;
  readonly receiver: () => CoordinationReceiver | undefined;
}

/** Handles requests below `path`; passes on all others. */
export function httpReceiver(options: HttpReceiverOptions): Middleware {
  const { path, secret, control, clock } = options;
  const challenge = randomUUID();
  const guard = new SequenceGuard();

  async function answer(req: IncomingMessage, res: ServerResponse, route: string): Promise<void> {
    const receiver = options.receiver();
    if (receiver === undefined) throw new ResilienceError('SHUTTING_DOWN', 'cache coordination is closed');
    if (req.method !== 'POST') throw notAllowed();
    // Missing proxy headers prove nothing: without a secret, messages are accepted only in the mode 'loopback'.
    if (secret === undefined && control !== 'loopback') throw forbidden('closed: configure a secret');
    if (secret === undefined && !isDirectLocalRequest(req)) throw forbidden('open to this machine only');
    const envelope = envelopeOf(req);
    const body = await readBody(req, clock);
    const signature = headerOf(req, HEADERS.signature);
    if (secret !== undefined && !isSigned(secret, route, envelope, body, signature))
      throw forbidden('the signature is invalid');
    if (envelope.challenge !== challenge) {
      reply(res, 409, JSON.stringify({ challenge }));
    } else if (route.endsWith('/messages')) {
      await receive(receiver, envelope, body);
      reply(res, 204, '');
    } else {
      const found = JSON.stringify(receiver.compare(parseDigestQuestion(parseJson(body))));
      const signed = secret === undefined ? '' : sign(secret, `${route}/answer`, envelope, Buffer.from(found));
      reply(res, 200, found, { [HEADERS.signature]: signed });
    }
  }

  async function receive(receiver: CoordinationReceiver, envelope: Envelope, body: Buffer): Promise<void> {
    if (!guard.isNew(envelope)) return; // a repetition: its messages have been applied
    await receiver.receive(parseMessages(parseJson(body)));
    guard.accept(envelope);
  }

  return function cacheCoordination(req, res, next) {
    const route = originalPath(req);
    if (route !== `${path}/messages` && route !== `${path}/digest`) {
      next();
      return;
    }
    answer(req, res, route).catch((error: unknown) => sendError(req, res, error));
  };
}

function reply(
  res: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, {
    ...headers,
    'Cache-Control': 'no-store',
    ...(body !== '' && { 'Content-Type': CONTENT_TYPE }),
  });
  res.end(body);
}

function envelopeOf(req: IncomingMessage): Envelope {
  const sequence = Number(headerOf(req, HEADERS.sequence));
  if (!Number.isSafeInteger(sequence)) throw malformed('the sequence is not a number');
  return {
    origin: headerOf(req, HEADERS.origin),
    session: headerOf(req, HEADERS.session),
    sequence,
    challenge: headerOf(req, HEADERS.challenge),
  };
}

function headerOf(req: IncomingMessage, name: string): string {
  const value = req.headers[name];
  if (typeof value !== 'string' || value.length > 256) throw forbidden(`the header ${name} is missing`);
  return value;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw malformed('the body is not JSON');
  }
}

function readBody(req: IncomingMessage, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (req.readableEnded) return reject(malformed('a body parser consumed the body; mount the router before it'));
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: Error): void => {
      timer.cancel();
      req.removeAllListeners('data').resume();
      reject(error);
    };
    const timer = startTimer(
      clock,
      () => fail(new ResilienceError('REQUEST_TIMEOUT', 'cache coordination: the body took too long')),
      BODY_TIMEOUT,
    );
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BYTES + BODY_SLACK)
        fail(new ResilienceError('BODY_TOO_LARGE', 'cache coordination: the batch is too large'));
      else chunks.push(chunk);
    });
    req.once('end', () => {
      timer.cancel();
      resolve(Buffer.concat(chunks));
    });
    req.once('close', () => fail(malformed('the body is incomplete')));
  });
}

function notAllowed(): ResilienceError {
  return new ResilienceError('METHOD_NOT_ALLOWED', 'cache coordination: expected POST', { headers: { Allow: 'POST' } });
}

function forbidden(detail: string): ResilienceError {
  return new ResilienceError('CONTROL_FORBIDDEN', `cache coordination: ${detail}`);
}

function malformed(detail: string): ResilienceError {
  return new ResilienceError('BAD_REQUEST', `cache coordination: ${detail}`);
}
