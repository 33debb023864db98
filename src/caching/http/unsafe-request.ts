/** Watches a request that may change its resource: what it invalidates, and whether its response is stored for GETs. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AnswerMemory } from './answer-memory.js';
import type { CacheSettings } from './cache-settings.js';
import type { Invalidator } from './invalidator.js';
import { watchPost } from './posted-response.js';
import { keyOf, resourceOf } from './request-key.js';
import type { ResponseSaver } from './response-saver.js';

/** The parts of a cache that such a request concerns. */
export interface ChangingCache {
  readonly settings: CacheSettings;
  readonly memory: AnswerMemory;
  readonly saver: ResponseSaver;
  readonly invalidator: Invalidator;
}

export function watchUnsafe(cache: ChangingCache, req: IncomingMessage, res: ServerResponse): void {
  const { settings, memory, saver, invalidator } = cache;
  const resource = resourceOf(req, settings.isTrusted);
  if (resource === undefined) return;
  invalidator.watch(req, res, resource);
  if (req.method !== 'POST' || settings.methods.has('POST')) return;
  // Watching a body costs more than all else the cache does for a POST. If the last response did not name its target, this
  // one most likely does not either. A response that does is sent without being stored, and the next one is stored.
  const key = keyOf('GET', resource);
  if (memory.find(key)?.postsPass !== true) watchPost({ settings, saver, answersOf: () => memory.of(key) }, req, res);
}
