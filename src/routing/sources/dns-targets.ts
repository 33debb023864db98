/** Instances behind a name: every address it resolves to, asked again and again. */
import { lookup, resolveSrv } from 'node:dns/promises';
import type { Random } from '../../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { callGuarded } from '../../shared/listeners.js';
import { checkOptions, clock as clockCheck, func, oneOf, positive } from '../../shared/options.js';
import { parseTarget, portCheck } from '../target.js';
import type { DiscoveredTarget, TargetSource } from './target-source.js';

/** An address of a name. */
export interface ResolvedAddress {
  readonly host: string;
  /** From an SRV record; else the port given. */
  readonly port?: number;
  /** From an SRV record. */
  readonly weight?: number;
}

/** What is asked for under the name, and how often. */
export interface DnsTargetsOptions {
  /** Of every address. Needed unless the name has one, or `type` is 'SRV'. */
  readonly port?: number;
  readonly protocol?: 'http' | 'https';
  /** 'A' takes IPv4 and IPv6 addresses, the hosts file included; 'SRV' the targets of lowest priority. Default 'A'. */
  readonly type?: 'A' | 'SRV';
  /** Milliseconds between questions, ± 10 %. Default 10 000. */
  readonly interval?: number;
  /** Told when the name does not resolve; the last known addresses stay. */
  readonly onError?: (error: Error) => unknown;
  /** Resolves in another way than Node's resolver. */
  readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: Random;
}

const WHO = 'dnsTargets';
const INTERVAL = 10_000;
const JITTER = 0.1;

/**
 * A source of the addresses behind a name, e.g. a Kubernetes headless service.
 *
 * @param host `api.internal`, `api.internal:3011` or `http://api.internal:3011`
 * @throws TypeError or RangeError for a wrong name or option
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
      this.#told(await resolve(this.#host));
    } catch (error) {
      if (onError !== undefined && !this.#isClosed) callGuarded(WHO, onError, error as Error);
    }
    this.#isAsking = false;
    if (this.#isClosed) return;
    const wait = interval * (1 - JITTER + 2 * JITTER * this.#random());
    this.#timer = startTimer(this.#clock, () => void this.#ask(), wait);
  }

  #told(addresses: readonly ResolvedAddress[]): void {
    if (this.#isClosed || addresses.length === 0) return; // an empty answer is a broken name, not an empty service
    const { port, protocol } = this.#settings;
    const targets = addresses.map((address) => ({
      host: address.host,
      port: address.port ?? port,
      protocol,
      weight: address.weight,
    }));
    this.#known = targets;
    for (const { call } of this.#listeners) callGuarded(WHO, call, targets);
  }
}

async function resolveAddresses(host: string): Promise<ResolvedAddress[]> {
  const addresses = await lookup(host, { all: true });
  return addresses.map(({ address }) => ({ host: address }));
}

/** RFC 2782: the lowest priority is used while any of it is there; a weight of 0 is a small one. */
async function resolveServices(host: string): Promise<ResolvedAddress[]> {
  const records = await resolveSrv(host);
  const priority = Math.min(...records.map((record) => record.priority));
  return records
    .filter((record) => record.priority === priority)
    .map(({ name, port, weight }) => ({ host: name, port, weight: Math.max(weight, 0.1) }));
}
