/** An application of the test's own making with `cacheResponse` in it: the cache on a clock the test moves, and the end of it all. */
import type { RequestListener, Server } from 'node:http';
import { cacheResponse, type CacheResponse, type CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ask, listen, portOf, shut, type Answer, type AskOptions } from './cache-rig.js';

export class CacheApp {
  readonly clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  #cache: CacheResponse | undefined;
  #server: Server | undefined;
  readonly #closers: (() => unknown)[] = [];

  /** The cache made last. */
  get cache(): CacheResponse {
    return this.#cache!;
  }

  get port(): number {
    return portOf(this.#server!);
  }

  newCache(options: CacheResponseOptions = {}): CacheResponse {
    const cache = cacheResponse({ clock: this.clock, ...options });
    this.onClose(() => cache.close());
    return (this.#cache = cache);
  }

  /** Listens with an Express application, or any listener. Returns what asks it. */
  async serve(app: unknown): Promise<(path: string, options?: AskOptions) => Promise<Answer>> {
    const server = await listen(app as RequestListener);
    this.onClose(() => shut(server));
    this.#server = server;
    return (path, options) => ask(portOf(server), path, options);
  }

  /** Something else to end, before what was opened earlier. */
  onClose(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  async close(): Promise<void> {
    while (this.#closers.length > 0) await this.#closers.pop()!();
  }
}
