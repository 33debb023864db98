/** Answers `PURGE` requests if the options enable it. Otherwise the method belongs to the application. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuseControl } from '../../shared/control-access.js';
import { sendError } from '../../shared/problem.js';
import type { CacheSettings } from './cache-settings.js';
import type { Invalidator } from './invalidator.js';

export class PurgeRequests {
  readonly #settings: CacheSettings;
  readonly #invalidator: Invalidator;

  constructor(settings: CacheSettings, invalidator: Invalidator) {
    this.#settings = settings;
    this.#invalidator = invalidator;
  }

  /** @returns whether the request was a purge and has its response */
  handle(req: IncomingMessage, res: ServerResponse): boolean {
    if (req.method !== 'PURGE' || !this.#settings.purge) return false;
    const refusal = refuseControl(req, this.#settings.controlToken, this.#settings.control);
    if (refusal === undefined) this.#purge(req, res);
    else sendError(req, res, refusal);
    return true;
  }

  #purge(req: IncomingMessage, res: ServerResponse): void {
    this.#invalidator.purgeRequested(req).then(
      (purged) => {
        const body = JSON.stringify({ ok: true, purged });
        res.setHeader('Content-Type', 'application/json');
        res.setHeader('Cache-Control', 'no-store');
        res.end(body);
      },
      (error: unknown) => sendError(req, res, error),
    );
  }
}
