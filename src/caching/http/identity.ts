/** The user of a request, as far as the option `cookies` counts it: copies of one user are not served to another. */
import type { IncomingMessage } from 'node:http';
import { NO_CREDENTIALS, type Credentials } from './storable.js';

/** The option `cookies`. */
export type CookieRule<Req extends IncomingMessage = IncomingMessage> =
  'ignore' | readonly string[] | ((req: Req) => string | undefined);

export interface Identity {
  /** Credentials that make a response private to one user, unless it states otherwise. */
  readonly credentials: Credentials;
  /** Separates the copies of this user from those of others; '' for the copies for everyone. */
  readonly apart: string;
}

export type IdentityRule = (req: IncomingMessage) => Identity;

const EVERYONE: Identity = { credentials: NO_CREDENTIALS, apart: '' };
const WITH_COOKIE: Identity = { credentials: { cookie: true, authorization: false }, apart: '' };
const WITH_AUTHORIZATION: Identity = { credentials: { cookie: false, authorization: true }, apart: '' };
const WITH_BOTH: Identity = { credentials: { cookie: true, authorization: true }, apart: '' };

/** Without a rule every cookie is a credential. */
export function byCredentials({ headers: { cookie, authorization } }: IncomingMessage): Identity {
  const hasCookie = cookie !== undefined && cookie !== '';
  if (authorization === undefined) return hasCookie ? WITH_COOKIE : EVERYONE;
  return hasCookie ? WITH_BOTH : WITH_AUTHORIZATION;
}

/** Resolves the option. A private cache serves one user, so it separates nothing. */
export function identityRule(rule: CookieRule | undefined, shared: boolean): IdentityRule {
  if (!shared) return () => EVERYONE;
  if (rule === undefined) return byCredentials;
  if (typeof rule === 'function') return (req) => byFunction(rule, req);
  const names = rule === 'ignore' ? [] : [...rule];
  return ({ headers: { cookie, authorization } }) => {
    const { credentials } = authorization === undefined ? EVERYONE : WITH_AUTHORIZATION;
    return { credentials, apart: cookie === undefined ? '' : cookiesOf(cookie, names) };
  };
}

function byFunction(rule: (req: IncomingMessage) => string | undefined, req: IncomingMessage): Identity {
  const identity: unknown = rule(req);
  if (identity === undefined || identity === '') return EVERYONE;
  if (typeof identity !== 'string') {
    const given = identity instanceof Promise ? 'a promise' : typeof identity;
    if (identity instanceof Promise) identity.catch(() => undefined);
    throw new TypeError(`option 'cookies': expected the function to return a string or undefined, got ${given}`);
  }
  return { credentials: NO_CREDENTIALS, apart: `identity ${identity}\n` };
}

/** All cookies with these names, in the order in which they arrived. */
function cookiesOf(header: string, names: readonly string[]): string {
  let found = '';
  for (const pair of names.length === 0 ? [] : header.split(';')) {
    const trimmed = pair.trim();
    const equals = trimmed.indexOf('=');
    if (names.includes(equals === -1 ? trimmed : trimmed.slice(0, equals).trimEnd())) found += `cookie ${trimmed}\n`;
  }
  return found;
}
