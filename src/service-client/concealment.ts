/** Keeps credentials out of what is written about a failed call: its JSON, its message, its line in a log. */
import type { AxiosBasicCredentials } from 'axios';
import { isAxiosError } from '../shared/lazy-axios.js';

/** Fields of a request's configuration whose values axios leaves out of an error's JSON. Compared without case. */
export const SECRET_FIELDS: readonly string[] = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'auth',
  'password',
  'passwd',
  'secret',
  'client_secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'api_key',
  'apikey',
  'api-key',
  'x-api-key',
  'x-auth-token',
  'x-csrf-token',
  'x-xsrf-token',
  'data',
  'httpAgent',
  'httpsAgent',
];

const LARGE_FIELDS = ['config', 'request', 'response'] as const;
const DEEPEST_CAUSE = 5;

/**
 * Hides the request and response of an axios error from code that lists an object's fields. Otherwise `console.log` and
 * loggers print header fields and bodies. `error.config`, `error.request` and `error.response` can still be read.
 */
export function conceal<E>(error: E): E {
  let current: unknown = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && current instanceof Error; depth++) {
    if (isAxiosError(current)) {
      for (const name of LARGE_FIELDS) {
        if (Object.hasOwn(current, name)) Object.defineProperty(current, name, { enumerable: false });
      }
    }
    current = current.cause;
  }
  return error;
}

/** A URL without its user information, which becomes axios' `auth`: a URL is shown in places where a header is not. */
export function splitCredentials(url: string): { readonly url: string; readonly auth?: AxiosBasicCredentials } {
  if (!URL.canParse(url)) return { url };
  const parsed = new URL(url);
  if (parsed.username === '' && parsed.password === '') return { url };
  const auth = { username: decodeURIComponent(parsed.username), password: decodeURIComponent(parsed.password) };
  parsed.username = parsed.password = '';
  return { url: parsed.href, auth };
}
