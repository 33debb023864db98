/** Targets chosen by the request. The router creates a service for each target when it is first named. */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../shared/errors.js';
import type { IntelligentRouter } from './intelligent-router.js';
import { parseTarget, type TargetUrl } from './target.js';

/**
 * The most targets kept. Beyond it the least recently used target is removed, so that choices made from client data
 * stay bounded.
 */
const MAX_TARGETS = 1000;

export class DynamicTargets {
  readonly #router: IntelligentRouter;
  readonly #service: string;
  readonly #choose: (req: IncomingMessage) => string | TargetUrl | undefined;
  /** Services by the value that the function returned, the least recently used first. */
  readonly #services = new Map<string, { readonly service: string; readonly id: string }>();
  #count = 0;

  /**
   * @param service the service of requests for which no target is chosen; the names of the other services begin with it
   */
  constructor(
    router: IntelligentRouter,
    service: string,
    choose: (req: IncomingMessage) => string | TargetUrl | undefined,
  ) {
    this.#router = router;
    this.#service = service;
    this.#choose = choose;
  }

  /**
   * The service for a request.
   *
   * @throws ResilienceError NOT_CONFIGURED if the choice is not a valid target
   */
  serviceOf(req: IncomingMessage): string {
    const chosen = this.#choose(req);
    if (chosen === undefined) return this.#service;
    const url = typeof chosen === 'string' ? chosen : chosen.url;
    const known = this.#services.get(url);
    if (known !== undefined) {
      this.#services.delete(url);
      this.#services.set(url, known);
      return known.service;
    }
    return this.#add(url, chosen);
  }

  #add(url: string, chosen: string | TargetUrl): string {
    let id: string;
    try {
      ({ id } = parseTarget('proxyBalanced: router', chosen));
    } catch (cause) {
      throw new ResilienceError('NOT_CONFIGURED', "proxyBalanced: option 'router' chose no target", { cause });
    }
    if (this.#services.size >= MAX_TARGETS) this.#forgetOldest();
    const service = `${this.#service}#${++this.#count}`; // its name is in errors, and must not contain an address
    this.#router.addTarget(service, typeof chosen === 'string' ? { url } : chosen);
    this.#services.set(url, { service, id });
    return service;
  }

  #forgetOldest(): void {
    const [oldest] = this.#services;
    if (oldest === undefined) return;
    const [url, { service, id }] = oldest;
    this.#services.delete(url);
    this.#router.removeService(service, id);
  }
}
