/**
 * The real services a suite may need: Redis and PostgreSQL, at REDIS_URL and DATABASE_URL or where they are by default.
 * A suite whose service is absent is skipped, with the reason in its title; with CI_REQUIRE_SERVICES=1 it fails instead,
 * so that a pipeline can never pass by skipping.
 */
import { spawnSync } from 'node:child_process';

export interface Service {
  readonly name: string;
  readonly url: string;
}

export const redisService: Service = { name: 'Redis', url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' };

export const postgresService: Service = {
  name: 'PostgreSQL',
  url: process.env.DATABASE_URL ?? 'postgres://root@127.0.0.1:5432/test',
};

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'redis:': 6379, 'rediss:': 6379 };
const POSTGRES_PORT = 5432;

/** Exits 0 when something accepts connections at the host and port given, 1 when not within a second. */
const PROBE = `
  const [host, port] = process.argv.slice(1);
  const socket = require('node:net').connect({ host, port: Number(port) });
  socket.once('connect', () => process.exit(0)).once('error', () => process.exit(1));
  setTimeout(() => process.exit(1), 1000);
`;

/** Asked in another process, because Jest must know what to skip before anything asynchronous can happen. */
function isListening(url: string): boolean {
  const { hostname, port, protocol } = new URL(url);
  const target = [hostname, port || String(DEFAULT_PORTS[protocol] ?? POSTGRES_PORT)];
  return spawnSync(process.execPath, ['-e', PROBE, ...target]).status === 0;
}

/** `describe` for tests that need something this machine may lack. */
export function describeUnless(unavailable: string | undefined, title: string, suite: () => void): void {
  describeWhereBuilt(process.env.CI_REQUIRE_SERVICES === '1' ? undefined : unavailable, title, suite);
}

/** `describe` for tests of what somebody has to build by hand first, which no pipeline has either. */
export function describeWhereBuilt(unavailable: string | undefined, title: string, suite: () => void): void {
  if (unavailable === undefined) describe(title, suite);
  else describe.skip(`${title} (skipped: ${unavailable})`, suite);
}

/** `test` for what needs a peer, a platform or a right that a pipeline may lack too. */
export function testWhereBuilt(unavailable: string | undefined, title: string, run: () => Promise<void>): void {
  if (unavailable === undefined) test(title, run);
  else test.skip(`${title} (skipped: ${unavailable})`, run);
}

/** `describe` for tests that need a service. */
export function describeWith({ name, url }: Service, title: string, suite: (url: string) => void): void {
  // Where it is required there is no need to look: without it the suite fails.
  const isThere = process.env.CI_REQUIRE_SERVICES === '1' || isListening(url);
  describeUnless(isThere ? undefined : `no ${name} at ${new URL(url).host}`, title, () => suite(url));
}
