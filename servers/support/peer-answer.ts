/** The validated response of another service, or an error that says which service failed and how. */
import type { AxiosResponse } from 'axios';
import type { z } from 'zod';
import { ERRORS, ResilienceError, type ErrorCode } from '../../src/index.js';
import { isAxiosError } from './axios-error.js';
import type { ServiceName } from './fleet.js';

const TIMEOUTS = new Set(['ECONNABORTED', 'ETIMEDOUT']);

/**
 * The body of a peer's response, as parsed by the schema.
 *
 * @param service named in each error
 * @throws ResilienceError with the peer's code if it returned a problem document. UPSTREAM_INVALID if the response is
 * invalid. UPSTREAM_TIMEOUT or UPSTREAM_REFUSED if there is no response.
 */
export async function answerOf<S extends z.ZodType>(
  service: ServiceName,
  schema: S,
  request: Promise<AxiosResponse<unknown>>,
): Promise<z.output<S>> {
  let response: AxiosResponse<unknown>;
  try {
    response = await request;
  } catch (error) {
    throw peerError(service, error);
  }
  const read = schema.safeParse(response.data);
  if (read.success) return read.data;
  const field = read.error.issues[0]?.path.join('.') ?? '';
  throw new ResilienceError('UPSTREAM_INVALID', `${service} answered something unexpected at '${field}'`, {
    cause: read.error,
  });
}

/** Converts the error of a call to a peer to a ResilienceError. */
export function peerError(service: ServiceName, error: unknown): ResilienceError {
  if (ResilienceError.is(error)) return error;
  if (!isAxiosError(error)) return new ResilienceError('INTERNAL', `asking ${service} failed`, { cause: error });
  if (error.response === undefined) {
    const isTimeout = TIMEOUTS.has(error.code ?? '');
    return new ResilienceError(
      isTimeout ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_REFUSED',
      `${service} ${isTimeout ? 'did not answer in time' : 'is not reachable'}`,
      { cause: error },
    );
  }
  const { code = 'UPSTREAM_INVALID', detail } = problemIn(error.response.data);
  return new ResilienceError(
    // An internal error of a peer is not an internal error of this service.
    code === 'INTERNAL' ? 'UPSTREAM_INVALID' : code,
    `${service}: ${detail ?? `answered with status ${error.response.status}`}`,
    { cause: error },
  );
}

function problemIn(body: unknown): { code?: ErrorCode; detail?: string } {
  if (typeof body !== 'object' || body === null) return {};
  const { code, detail } = body as { code?: unknown; detail?: unknown };
  return {
    ...(typeof code === 'string' && Object.hasOwn(ERRORS, code) && { code: code as ErrorCode }),
    ...(typeof detail === 'string' && { detail }),
  };
}
