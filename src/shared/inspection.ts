/**
 * The settings that a middleware describes to `tooloo-doctor`. The symbol is registered, because
 * the application may have loaded the other build of this package.
 */
import type { TrustProxy } from './client-address.js';

/** The property of a middleware that describes it. */
export const INSPECT = Symbol.for('@tooloo/resilience:inspect');

/** The settings of one middleware that can be a mistake beside others. */
export type Inspection =
  | { readonly kind: 'trace' }
  | { readonly kind: 'healthEndpoints'; readonly details: 'token' | 'local' | 'always' | 'never' | 'function' }
  | {
      readonly kind: 'rateLimit';
      readonly name: string;
      readonly trustProxy: TrustProxy | undefined;
      readonly hasKey: boolean;
      /** Asks the shared store for an answer; undefined if the buckets are in memory. Rejects if it has none. */
      readonly askStore: (() => Promise<void>) | undefined;
    }
  | { readonly kind: 'cacheResponse'; readonly ignoresCookies: boolean; readonly isShared: boolean }
  | { readonly kind: 'proxyBalanced'; readonly prefix: string }
  | { readonly kind: 'compose'; readonly handlers: readonly unknown[] };

/** The description of a handler; undefined if it is not of this package. */
export function inspect(handler: unknown): Inspection | undefined {
  const { [INSPECT]: describe } = handler as { [INSPECT]?: () => Inspection };
  return typeof describe === 'function' ? describe() : undefined;
}
