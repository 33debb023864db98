/** Asks every running service what it offers. */
import type { AxiosInstance } from 'axios';
import { z } from 'zod';
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

/** What a service offers, or why that is not known. */
export type Discovered =
  | { readonly service: ServiceName; readonly available: true; readonly routes: readonly Route[] }
  | { readonly service: ServiceName; readonly available: false; readonly code: ErrorCode; readonly reason: string };

export type Client = (service: ServiceName) => AxiosInstance;

/** Asks the services, all of them unless told, at once. One that does not answer is in the result with the reason. */
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

/** What names a capability: its service, method and path. */
export function capabilityId(service: string, { method, path }: Pick<Route, 'method' | 'path'>): string {
  return `${service}:${method} ${path}`;
}

/** The routes that every server has are no capability of one of them. */
export function isCapability({ path }: Pick<Route, 'path'>): boolean {
  return !path.startsWith('/api/v1/system/');
}

export interface Probe {
  readonly status: number;
  /** Milliseconds. */
  readonly duration: number;
}

/**
 * Calls a capability to see that it works, where calling it changes nothing and needs no input: a GET without parameters.
 *
 * @returns undefined where it cannot be tried
 * @throws ResilienceError when its service does not answer, or answers with a server error
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
    // A 4xx tells that it wants something we do not have; that it answers is what is asked here.
    const { status } = await client(service).get(path, { validateStatus: (code) => code < 500 });
    return { status, duration: now() - startedAt };
  } catch (error) {
    throw peerError(service, error);
  }
}
