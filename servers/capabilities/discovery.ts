/** Requests the routes of all running services. */
import type { AxiosInstance } from 'axios';
import * as z from 'zod';
import { ResilienceError, type ErrorCode } from '../../src/index.js';
import { MANAGED_SERVICES, type ServiceName } from '../support/fleet.js';
import { answerOf, peerError } from '../support/peer-answer.js';

const route = z.object({
  method: z.string().max(10),
  path: z.string().max(200),
  summary: z.string().max(200),
  control: z.boolean(),
});
const routes = z.object({ routes: z.array(route).max(500) });

export type Route = z.output<typeof route>;

/** The routes of a service, or the reason why they are not known. */
export type Discovered =
  | { readonly service: ServiceName; readonly available: true; readonly routes: readonly Route[] }
  | { readonly service: ServiceName; readonly available: false; readonly code: ErrorCode; readonly reason: string };

export type Client = (service: ServiceName) => AxiosInstance;

/**
 * Requests the routes of the services at once. Default: all services. A service that does not answer is in the result
 * with the reason.
 */
export function discover(client: Client, services: readonly ServiceName[] = MANAGED_SERVICES): Promise<Discovered[]> {
  return Promise.all(services.map((service) => ask(client, service)));
}

async function ask(client: Client, service: ServiceName): Promise<Discovered> {
  try {
    const answer = await answerOf(service, routes, client(service).get('/api/v1/system/routes'));
    return { service, available: true, routes: answer.routes };
  } catch (error) {
    const known = ResilienceError.is(error) ? error : peerError(service, error);
    return { service, available: false, code: known.code, reason: known.message };
  }
}

/** The id of a capability: its service, method and path. */
export function capabilityId(service: string, { method, path }: Pick<Route, 'method' | 'path'>): string {
  return `${service}:${method} ${path}`;
}

/** Routes that every server has do not count as capabilities. */
export function isCapability({ path }: Pick<Route, 'path'>): boolean {
  return !path.startsWith('/api/v1/system/');
}

export interface Probe {
  readonly status: number;
  /** Milliseconds. */
  readonly duration: number;
}

/**
 * Calls a capability to check that it works. This is possible only for a GET without parameters, because it changes
 * nothing and needs no input.
 *
 * @returns undefined if it cannot be called
 * @throws ResilienceError if its service does not answer, or answers with a server error
 */
export async function probe(
  client: Client,
  service: ServiceName,
  { method, path }: Pick<Route, 'method' | 'path'>,
  now: () => number,
): Promise<Probe | undefined> {
  if (method !== 'GET' || path.includes(':')) return undefined;
  const startedAt = now();
  try {
    // A 4xx means that the route needs input. The check only needs to know that it answers.
    const { status } = await client(service).get(path, { validateStatus: (code) => code < 500 });
    return { status, duration: now() - startedAt };
  } catch (error) {
    throw peerError(service, error);
  }
}
