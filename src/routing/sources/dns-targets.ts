/** Instances behind a name: every address it resolves to, asked again and again. */
import { isIP } from 'node:net';
import type { Random } from '../../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { callGuarded } from '../../shared/listeners.js';
import { nodeModule } from '../../shared/node-modules.js';
import { checkOptions, clock as clockCheck, func, oneOf, positive } from '../../shared/options.js';
import { parseTarget, portCheck } from '../target.js';
import type { DiscoveredTarget, TargetSource } from './target-source.js';

/** One address of a name. */
export interface ResolvedAddress {
  readonly host: string;
  /** From an SRV record; otherwise the given port. */
  readonly port?: number;
  /** From an SRV record. */
  readonly weight?: number;
}

/** How a name is resolved, and how often. */
export interface DnsTargetsOptions {
  /** The port of every address. Required unless the name has one, or `type` is 'SRV'. */
  readonly port?: number;
  readonly protocol?: 'http' | 'https';
  /**
   * 'A' takes IPv4 and IPv6 addresses, including the hosts file; 'SRV' takes the targets of the lowest priority.
   * Default 'A'.
   */
  readonly type?: 'A' | 'SRV';
  /** Milliseconds between lookups, ± 10 %. Default 10 000. */
  readonly interval?: number;
  /** Called when the name does not resolve. The last known addresses stay. */
  readonly onError?: (error: Error) => unknown;
  /** Resolves the name in place of Node's resolver. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
  /** The clock for times and timers. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}

const WHO = 'dnsTargets';
const INTERVAL = 10_000;
const JITTER = 0.1;

/**
 * A source of the addresses behind a name, e.g. of a Kubernetes headless service.
 *
 * @param host `api.internal`, `api.internal:3011` or `http://api.internal:3011`
 * @throws TypeError or RangeError for an invalid name or option
 *
 * @example
 * import { dnsTargets, proxyBalanced } from '@tooloo/resilience';
 *
 * app.use(proxyBalanced({ targets: dnsTargets('orders.default.svc.cluster.local', { port: 8080 }) }));
 */
export function dnsTargets(host: string, options?: DnsTargetsOptions): TargetSource {
  const checked = checkOptions(WHO, options, {
    port: portCheck,
    protocol: oneOf('http', 'https'),
    type: oneOf('A', 'SRV'),
    interval: positive,
    onError: func,
    resolve: func,
    clock: clockCheck,
    random: func,
  });
  const url = URL.canParse(host) && host.includes('://') ? host : `${checked.protocol ?? 'http'}://${host}`;
  const named = parseTarget(WHO, url);
  const hasPort = /:\d+$/.test(host);
  if (checked.port === undefined && !hasPort && checked.type !== 'SRV') {
    throw new TypeError(`${WHO}: option 'port' is missing`);
  }
  const defaults = { port: checked.port ?? named.port, protocol: checked.protocol ?? named.protocol };
  const resolve = checked.resolve ?? (checked.type === 'SRV' ? resolveServices : resolveAddresses);
  return new DnsTargets(named.host, { ...defaults, ...checked, ...defaults, resolve });
}

type Settings = DnsTargetsOptions & Required<Pick<DnsTargetsOptions, 'port' | 'protocol' | 'resolve'>>;

class DnsTargets implements TargetSource {
  readonly #host: string;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Set<{ readonly call: (targets: readonly DiscoveredTarget[]) => void }>();
  #known: readonly DiscoveredTarget[] | undefined;
  #timer: Timer | undefined;
  #isAsking = false;
  #isClosed = false;

  constructor(host: string, settings: Settings) {
    this.#host = host;
    this.#settings = settings;
    this.#clock = settings.clock ?? monotonicClock;
    this.#random = settings.random ?? Math.random;
  }

  subscribe(_service: string, call: (targets: readonly DiscoveredTarget[]) => void): () => void {
    const entry = { call };
    this.#listeners.add(entry);
    if (this.#known !== undefined) call(this.#known);
    if (this.#timer === undefined && !this.#isAsking && !this.#isClosed) void this.#ask();
    return () => {
      this.#listeners.delete(entry);
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#timer?.cancel();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const { resolve, onError, interval = INTERVAL } = this.#settings;
    try {
      this.#report(await resolve(this.#host));
    } catch (error) {
      if (onError !== undefined && !this.#isClosed) callGuarded(WHO, onError, error as Error);
    }
    this.#isAsking = false;
    if (this.#isClosed) return;
    const wait = interval * (1 - JITTER + 2 * JITTER * this.#random());
    this.#timer = startTimer(this.#clock, () => void this.#ask(), wait);
  }

  #report(addresses: readonly ResolvedAddress[]): void {
    if (this.#isClosed || addresses.length === 0) return; // an empty response is a broken name, not an empty service
    const { port, protocol } = this.#settings;
    const targets = addresses.map((address) => ({
      host: address.host,
      port: address.port ?? port,
      protocol,
      weight: address.weight,
      // The server at this address must prove that it is the requested name.
      ...(protocol === 'https' && isIP(address.host) !== 0 && { serverName: this.#host }),
    }));
    this.#known = targets;
    for (const { call } of this.#listeners) callGuarded(WHO, call, targets);
  }
}

async function resolveAddresses(host: string): Promise<ResolvedAddress[]> {
  const addresses = await nodeModule('node:dns/promises').lookup(host, { all: true });
  return addresses.map(({ address }) => ({ host: address }));
}

/** RFC 2782: targets of the lowest priority are used while there are any. A weight of 0 counts as a small one. */
async function resolveServices(host: string): Promise<ResolvedAddress[]> {
  const records = await nodeModule('node:dns/promises').resolveSrv(host);
  const priority = Math.min(...records.map((record) => record.priority));
  return records
    .filter((record) => record.priority === priority)
    .map(({ name, port, weight }) => ({ host: name, port, weight: Math.max(weight, 0.1) }));
}
