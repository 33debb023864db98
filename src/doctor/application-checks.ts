/** Looks at an application that is loaded but not serving: the order of its middleware, and their settings beside another. */
import { OwnRoutes } from '../middleware/own-routes.js';
import type { Inspection } from '../shared/inspection.js';
import { finding, type Finding } from './findings.js';
import { covers, mountedIn, type Mounted } from './mounted.js';

type Kind = Inspection['kind'];

/** The names of the session middleware that are in use: express-session, cookie-session, Passport and others. */
const SESSIONS = /^(_?cookieSession|session|authenticate|sessionStrategy|initialize|passport)$/i;

/** Which of two middleware comes first, and what happens to the requests that they share otherwise. */
const ORDER: ReadonlyArray<readonly [first: Kind, second: Kind, otherwise: string]> = [
  ['trace', 'rateLimit', 'rejected requests have no trace'],
  ['trace', 'cacheResponse', 'cached responses have no trace'],
  ['trace', 'proxyBalanced', 'forwarded requests have no trace'],
  ['healthEndpoints', 'rateLimit', 'probes are limited, so a busy instance is restarted'],
  ['healthEndpoints', 'proxyBalanced', 'probes are forwarded to another server'],
  ['rateLimit', 'cacheResponse', 'responses from the cache are not limited'],
  ['cacheResponse', 'proxyBalanced', 'forwarded responses are not cached'],
];

const kindOf = ({ inspection }: Mounted): Kind | undefined => inspection?.kind;
const where = ({ path }: Mounted): string => (path === '' ? 'the whole application' : path);

function* checkOrder(mounted: readonly Mounted[]): Generator<Finding> {
  for (const [first, second, otherwise] of ORDER) {
    for (const [index, early] of mounted.entries()) {
      if (kindOf(early) !== second) continue;
      const isAhead = mounted.slice(0, index).some((one) => kindOf(one) === first && covers(one.path, early.path));
      const late = mounted.slice(index + 1).find((one) => kindOf(one) === first && covers(early.path, one.path));
      if (isAhead || late === undefined) continue;
      yield finding('TOOLOO_DOCTOR_ORDER', `${second} is mounted before ${first} (${where(early)}): ${otherwise}.`);
    }
  }
}

/** A middleware behind the routes that it is meant for. */
function* checkBehindRoutes(mounted: readonly Mounted[]): Generator<Finding> {
  for (const [index, one] of mounted.entries()) {
    const kind = kindOf(one);
    if (kind === undefined || kind === 'healthEndpoints' || kind === 'proxyBalanced' || one.isRoute) continue;
    const missed = mounted.slice(0, index).filter(({ isRoute, path }) => isRoute && covers(one.path, path));
    if (missed.length === 0) continue;
    const paths = [...new Set(missed.map(({ path }) => path))].slice(0, 3).join(', ');
    yield finding(
      'TOOLOO_DOCTOR_ORDER',
      `${kind} is mounted after ${missed.length} routes, which it never sees: ${paths}.`,
    );
  }
}

function* checkTwice(mounted: readonly Mounted[]): Generator<Finding> {
  for (const [index, one] of mounted.entries()) {
    const kind = kindOf(one);
    if (kind === undefined) continue;
    const again = mounted
      .slice(0, index)
      .find(({ handler, path }) => handler === one.handler && covers(path, one.path));
    if (again === undefined) continue;
    yield finding(
      'TOOLOO_DOCTOR_TWICE',
      `The same ${kind} is mounted for ${where(again)} and again for ${where(one)}.`,
    );
  }
}

function* checkSessions(mounted: readonly Mounted[]): Generator<Finding> {
  const session = mounted.find(({ name, inspection }) => inspection === undefined && SESSIONS.test(name));
  if (session === undefined) return;
  for (const { inspection } of mounted) {
    if (inspection?.kind !== 'cacheResponse' || !inspection.ignoresCookies || !inspection.isShared) continue;
    yield finding(
      'TOOLOO_DOCTOR_CACHE_SESSIONS',
      `cacheResponse has cookies: 'ignore', and '${session.name}' gives each client a session: pages of one user reach ` +
        "others. Leave 'cookies' out, or name the cookies that responses depend on.",
    );
  }
}

interface Settings {
  get?(name: string): unknown;
}

function* checkTrust(application: unknown, mounted: readonly Mounted[]): Generator<Finding> {
  const express = (application as Settings).get?.('trust proxy');
  const limits = mounted.flatMap(({ inspection }) => (inspection?.kind === 'rateLimit' ? [inspection] : []));
  for (const { name, trustProxy, hasKey } of limits) {
    if (hasKey) continue;
    const trusted = trustProxy ?? express;
    if (trusted === true) {
      yield finding(
        'TOOLOO_DOCTOR_TRUST_ALL',
        `rateLimit '${name}' trusts every proxy. Set the number of your proxies.`,
      );
    } else if (trusted === undefined || trusted === false) {
      yield finding(
        'TOOLOO_DOCTOR_TRUST_NONE',
        `rateLimit '${name}' trusts no proxy. Behind one, all clients share a bucket: set Express's 'trust proxy'.`,
      );
    }
    if (trustProxy !== undefined && express !== undefined && express !== false && !isSame(trustProxy, express)) {
      yield finding(
        'TOOLOO_DOCTOR_TRUST_DIFFERS',
        `rateLimit '${name}' trusts ${JSON.stringify(trustProxy)}, Express trusts ${JSON.stringify(express)}.`,
      );
    }
  }
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

function* checkHealth(application: unknown, mounted: readonly Mounted[]): Generator<Finding> {
  const health = mounted.find((one) => kindOf(one) === 'healthEndpoints');
  if (health === undefined) {
    yield finding(
      'TOOLOO_DOCTOR_NO_HEALTH',
      'Mount healthEndpoints, so that a load balancer sees when the server is ready.',
    );
    return;
  }
  if (health.inspection?.kind === 'healthEndpoints' && health.inspection.details === 'always') {
    yield finding('TOOLOO_DOCTOR_DETAILS_OPEN', "healthEndpoints has details: 'always'.");
  }
  const own = new OwnRoutes(health.handler);
  for (const path of ['/health', '/livez', '/readyz', '/startupz']) {
    if (!own.isIn(application, path)) continue;
    yield finding(
      'TOOLOO_DOCTOR_HEALTH_ROUTE',
      `The route GET ${path} of the application answers. Set 'paths' to decide.`,
    );
  }
}

/** Asks each shared store once. */
async function checkStores(mounted: readonly Mounted[]): Promise<Finding[]> {
  const asked = mounted.map(async ({ inspection }) => {
    if (inspection?.kind !== 'rateLimit' || inspection.askStore === undefined) return [];
    try {
      await inspection.askStore();
      return [];
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return [
        finding('TOOLOO_DOCTOR_STORE_UNREACHABLE', `The store of rateLimit '${inspection.name}' failed: ${reason}.`),
      ];
    }
  });
  return (await Promise.all(asked)).flat();
}

/**
 * Looks at an application without sending it a request.
 *
 * @param application an Express application, a router, or a listener that `compose` made
 *
 * @example
 * import { examineApplication } from '@tooloo/resilience/doctor';
 *
 * for (const { severity, message } of await examineApplication(app)) console.log(severity, message);
 */
export async function examineApplication(application: unknown): Promise<readonly Finding[]> {
  const mounted = mountedIn(application);
  return [
    ...checkOrder(mounted),
    ...checkBehindRoutes(mounted),
    ...checkTwice(mounted),
    ...checkSessions(mounted),
    ...checkTrust(application, mounted),
    ...checkHealth(application, mounted),
    ...(await checkStores(mounted)),
  ];
}
