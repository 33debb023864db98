/**
 * The destination of a service's requests: one address, or the instance that a router picks; each has its own breaker.
 */
import { LRUCache } from 'lru-cache';
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitState,
  type Permit,
} from '../shared/circuit-breaker.js';
import { ResilienceError } from '../shared/errors.js';
import { Listeners } from '../shared/listeners.js';

/** An instance as a router names it. */
export interface RoutedTarget {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Default 'http'. */
  readonly protocol?: 'http' | 'https';
}

/**
 * What the client needs of a router; IntelligentRouter has it.
 *
 * @example
 * import { serviceClient, type ServiceRouter } from '@tooloo/resilience';
 *
 * const single: ServiceRouter = {
 *   routeRequest: () => ({ id: 'billing-1', host: '10.0.0.1', port: 8080 }),
 *   recordLatency: () => undefined,
 * };
 * const billing = serviceClient('billing', { router: single });
 */
export interface ServiceRouter<T extends RoutedTarget = RoutedTarget> {
  routeRequest(service: string): T | null;
  recordLatency(target: T, latency: number, ok?: boolean): void;
}

/** A peer one attempt may call. */
export interface Peer {
  /** 'protocol://host:port', the destination of the attempt. */
  readonly origin: string;
  readonly permit: Permit | undefined;
  /** Reports the result to the router. */
  report(latency: number, ok: boolean): void;
}

/** The circuit of one peer has changed its state. */
export interface CircuitChange {
  readonly service: string;
  readonly peer: string;
  readonly state: CircuitState;
  readonly previous: CircuitState;
}

/** Instances come and go; those not called for longest are forgotten first. */
const MAX_PEERS = 1000;

/** How often the router is asked for an instance that was not tried yet and has a closed circuit. */
const MAX_PICKS = 5;

function originOf({ protocol = 'http', host, port }: RoutedTarget): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const reportNothing = (): void => undefined;

export class Peers {
  readonly #service: string;
  readonly #router: ServiceRouter | undefined;
  readonly #options: CircuitBreakerOptions | undefined;
  readonly #breakers = new LRUCache<string, CircuitBreaker>({ max: MAX_PEERS });
  readonly #listeners = new Listeners<[CircuitChange]>('serviceClient.onCircuitChange');

  /** @param options of each peer's breaker; undefined: no breakers */
  constructor(service: string, router: ServiceRouter | undefined, options: CircuitBreakerOptions | undefined) {
    this.#service = service;
    this.#router = router;
    this.#options = options;
    if (options !== undefined) new CircuitBreaker(options); // report a wrong option now, not at the first request
  }

  /**
   * The peer of the next attempt, with its permit; preferably an instance that is not in `tried`.
   *
   * @throws ResilienceError NO_TARGET_AVAILABLE or CIRCUIT_OPEN
   */
  take(baseURL: string | undefined, tried: Set<string>): Peer {
    if (this.#router === undefined) {
      const origin = URL.canParse(baseURL ?? '') ? new URL(baseURL!).origin : String(baseURL);
      return { origin, permit: this.#acquire(origin), report: reportNothing };
    }
    return this.#pick(this.#router, tried);
  }

  onCircuitChange(callback: (change: CircuitChange) => unknown): () => void {
    return this.#listeners.add(callback);
  }

  /** State of every peer's circuit, by its origin. */
  circuits(): Record<string, CircuitState> {
    return Object.fromEntries([...this.#breakers].map(([origin, breaker]) => [origin, breaker.state]));
  }

  close(): void {
    this.#listeners.clear();
    this.#breakers.clear();
  }

  #pick(router: ServiceRouter, tried: Set<string>): Peer {
    let refusal = new ResilienceError('NO_TARGET_AVAILABLE', `${this.#service}: no instance is available`);
    for (let pick = 1; pick <= MAX_PICKS; pick++) {
      const target = router.routeRequest(this.#service);
      if (target === null) break;
      if (tried.has(target.id) && pick < MAX_PICKS) continue;
      const origin = originOf(target);
      try {
        const permit = this.#acquire(origin);
        tried.add(target.id);
        return { origin, permit, report: (latency, ok) => router.recordLatency(target, latency, ok) };
      } catch (error) {
        refusal = error as ResilienceError;
      }
    }
    throw refusal;
  }

  #acquire(origin: string): Permit | undefined {
    if (this.#options === undefined) return undefined;
    const breaker = this.#breakers.get(origin) ?? this.#create(origin, this.#options);
    const permit = breaker.tryAcquire();
    if (permit === undefined) throw breaker.openError();
    return permit;
  }

  #create(peer: string, options: CircuitBreakerOptions): CircuitBreaker {
    const breaker = new CircuitBreaker({ name: this.#service, ...options });
    this.#breakers.set(peer, breaker);
    breaker.onStateChange((state, previous) => this.#listeners.emit({ service: this.#service, peer, state, previous }));
    return breaker;
  }
}
