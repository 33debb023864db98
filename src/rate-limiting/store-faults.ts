/** Errors of a store: which of them no waiting mends, because the configuration is wrong, and how they are reported. */
import { messageOf, ResilienceError } from '../shared/errors.js';

/** What to change, by what the server says. The first words of a Redis error are its code. */
const ADVICE: ReadonlyArray<readonly [pattern: RegExp, advice: string]> = [
  [/\bCROSSSLOT\b/, "put a hash tag into the store's prefix, e.g. '{app}:', so that all buckets are in one slot"],
  [/\bWRONGTYPE\b/, "another program uses keys of this prefix: choose another 'prefix'"],
  [/\b(NOAUTH|WRONGPASS)\b|\b28P01\b|password authentication failed/, 'give the client the right user and password'],
  [/\bNOPERM\b|\b42501\b|permission denied/, 'grant the user the commands and keys the store needs'],
  [
    /\bERR unknown command\b|\bunknown command\b/i,
    'the server does not know a command: the store needs scripts (EVAL, EVALSHA)',
  ],
  [
    /\bERR (syntax|wrong number|value is not|Error compiling|invalid)|\buser_script\b.*\bERR\b/i,
    'the server rejects the command: use Redis 5 or later, and a compatible server',
  ],
  [/\b42P01\b|relation .* does not exist/, "create the store's table, or let the store do so"],
];

/** Causes looked at: wrapping is rarely deeper. */
const DEPTH = 4;

/** What the error is about and what to change; undefined where the store is merely unavailable. */
export function storeMisuse(error: unknown): string | undefined {
  let cause: unknown = error;
  for (let depth = 0; depth < DEPTH && cause !== undefined && cause !== null; depth++) {
    const { code } = cause as { code?: unknown };
    const text = `${typeof code === 'string' ? code : ''} ${messageOf(cause)}`;
    const known = ADVICE.find(([pattern]) => pattern.test(text));
    if (known !== undefined) return `${messageOf(cause)}; ${known[1]}`;
    cause = (cause as { cause?: unknown }).cause;
  }
  return undefined;
}

export function cannotResetAll(why = 'the store has no resetAll()'): ResilienceError {
  return new ResilienceError('NOT_CONFIGURED', `RateLimiter.resetAll: ${why}`);
}

/** The message of a store's error, with that of its cause. */
export function describeFault(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

/** STORE_UNAVAILABLE, unless the error is one of this kit's already. */
export function unavailable(cause: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  return new ResilienceError('STORE_UNAVAILABLE', 'rate limiter: the store is unavailable', { cause });
}
