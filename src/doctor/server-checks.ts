/** Looks at a running server from outside, by requests that change nothing. */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../shared/errors.js';
import { finding, type Finding } from './findings.js';

/** Milliseconds for each request. */
const TIMEOUT = 5000;

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

async function ask(url: URL, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT), ...init });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** The tokens left of the first limit in the response; undefined without the field. */
function remaining({ headers }: Answer): number | undefined {
  const text = /;\s*r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1] ?? headers.get('x-ratelimit-remaining');
  return text === null || text === undefined ? undefined : Number(text);
}

async function checkHealth(base: URL): Promise<Finding[]> {
  const [ready, health] = await Promise.all([ask(new URL('/readyz', base)), ask(new URL('/health', base))]);
  const found: Finding[] = [];
  if (ready.status === 404) {
    found.push(
      finding('TOOLOO_DOCTOR_NO_HEALTH', 'GET /readyz is 404. Mount healthEndpoints, or name its path with `paths`.'),
    );
  }
  if (health.headers.get('content-type')?.startsWith('application/health+json') && health.body.includes('"checks"')) {
    found.push(finding('TOOLOO_DOCTOR_DETAILS_OPEN', 'GET /health shows its checks to a request without a token.'));
  }
  return found;
}

/** The purge of a path that does not exist removes nothing. */
async function checkControl(base: URL): Promise<Finding[]> {
  const { status, headers } = await ask(new URL(`/.tooloo-doctor-${randomUUID()}`, base), { method: 'PURGE' });
  if (status < 200 || status > 299 || headers.get('content-type')?.includes('html')) return [];
  return [finding('TOOLOO_DOCTOR_CONTROL_OPEN', `PURGE without a token is ${status}. Set \`controlToken\`.`)];
}

/** Requests of one address at the same time: their bucket shows them, although it refills on the way. */
const BURST = 4;
/** A bucket that all share may be full again once, when the second address comes, but hardly each time. */
const TRUST_ROUNDS = 3;

interface TrustRound {
  /** Whether the requests of the first address lowered what it had left. */
  readonly isCounted: boolean;
  /** Whether the second address had as much left as the first one before its requests. */
  readonly isSeparate: boolean;
}

/** One comparison of two addresses that the client invents; undefined without the field. */
async function compareAddresses(url: URL): Promise<TrustRound | undefined> {
  const network = randomUUID().slice(0, 4);
  const as = (host: string) => ask(url, { headers: { 'X-Forwarded-For': `2001:db8:${network}:${host}00::1` } });
  const answers = await Promise.all(Array.from({ length: BURST }, () => as('a')));
  const left = answers.map(remaining).filter((one) => one !== undefined);
  const other = remaining(await as('b'));
  if (left.length < BURST || other === undefined) return undefined;
  const most = Math.max(...left);
  return { isCounted: Math.min(...left) < most, isSeparate: other >= most };
}

/** Where two invented addresses have buckets of their own, clients escape their limits. */
async function checkTrust(url: URL): Promise<Finding[]> {
  const rounds: TrustRound[] = [];
  while (rounds.length < TRUST_ROUNDS) {
    const round = await compareAddresses(url);
    if (round === undefined) {
      return [finding('TOOLOO_DOCTOR_NO_LIMIT', `GET ${url.pathname} has no RateLimit field.`)];
    }
    rounds.push(round);
  }
  if (!rounds.some(({ isCounted }) => isCounted) || !rounds.every(({ isSeparate }) => isSeparate)) return [];
  const message =
    'An address in X-Forwarded-For has a bucket of its own, although this request came from no proxy. If it did, or if ' +
    'this machine is your proxy, ignore this finding.';
  return [finding('TOOLOO_DOCTOR_TRUST_ALL', message)];
}

const isForEverybody = ({ headers }: Answer): boolean =>
  /\bpublic\b|\bs-maxage\b/i.test(headers.get('cache-control') ?? '');

/** Two clients with cookies of their own, which must not get the response that was made for the other. */
async function checkSessions(url: URL): Promise<Finding[]> {
  const ofOwn = () => ask(url, { headers: { Cookie: `connect.sid=${randomUUID()}` } });
  await ofOwn();
  const second = await ofOwn();
  if (!/;\s*hit\b/.test(second.headers.get('cache-status') ?? '') || isForEverybody(second)) return [];
  const message = `GET ${url.pathname} with the cookie of one client is answered with the response for another.`;
  return [finding('TOOLOO_DOCTOR_CACHE_SESSIONS', message)];
}

/** With a query of its own, so that the response does not come from a cache that left the cookie out. */
async function checkCookies(url: URL): Promise<Finding[]> {
  const fresh = new URL(url);
  fresh.searchParams.set('tooloo-doctor', randomUUID());
  const answer = await ask(fresh);
  if (answer.headers.get('set-cookie') === null || !isForEverybody(answer)) return [];
  const message = `GET ${url.pathname} sets a cookie, and its Cache-Control lets caches give it to everybody.`;
  return [finding('TOOLOO_DOCTOR_PUBLIC_COOKIE', message)];
}

/**
 * Looks at a running server. Its address may have a path, which is the page that is looked at.
 *
 * @throws TypeError if the address is not an http or https URL
 *
 * @example
 * import { examineServer } from '@tooloo/resilience/doctor';
 *
 * const findings = await examineServer('http://127.0.0.1:3000/account');
 * console.log(findings.filter(({ severity }) => severity === 'error'));
 */
export async function examineServer(address: string | URL): Promise<readonly Finding[]> {
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol))
    throw new TypeError(`examineServer: expected an http or https URL, got ${url.protocol}`);
  try {
    const found: Finding[] = [];
    for (const check of [checkTrust, checkHealth, checkControl, checkSessions, checkCookies])
      found.push(...(await check(url)));
    return found;
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    return [finding('TOOLOO_DOCTOR_UNREACHABLE', `${url.origin} does not answer: ${cause}.`)];
  }
}
