/**
 * Instances that the registry of an orchestrator reports: a stream of server-sent events, followed until it is closed.
 */
import { get as getHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { Backoff, type Random } from '../../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { asError, messageOf } from '../../shared/errors.js';
import { callGuarded } from '../../shared/listeners.js';
import { nodeModule } from '../../shared/node-modules.js';
import { anyOf, arrayOf, checkOptions, clock as clockCheck, func, positive, string } from '../../shared/options.js';
import { parseTarget } from '../target.js';
import { EventStreamParser, type ServerSentEvent } from './event-stream-parser.js';
import type { DiscoveredTarget, TargetSource } from './target-source.js';

/** How the stream of instances is followed. */
export interface RegistryTargetsOptions {
  /**
   * The service, or services, to take from the registry, regardless of the subscribed name. Default: the subscribed
   * name.
   */
  readonly service?: string | readonly string[];
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /**
   * Milliseconds of silence after which the stream counts as lost. The registry sends something every 15 s. Default 45
   * 000.
   */
  readonly idleTimeout?: number;
  /**
   * Called when the stream is unavailable; it is retried. Default: ignored, and the last known instances stay in use.
   */
  readonly onError?: (error: Error) => unknown;
  /** The clock for times and timers. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}

/** An instance in a registry's event. */
interface RegisteredInstance {
  readonly service: string;
  readonly host: string;
  readonly port: number;
  readonly state: string;
  readonly weight?: number;
  readonly zone?: string;
}

type Listener = (targets: readonly DiscoveredTarget[]) => void;

const WHO = 'registryTargets';
const PATH = '/api/v1/system/instances';
/** Instances that may receive requests, or still have some. */
const LIVE: ReadonlySet<string> = new Set(['ready', 'draining']);
const RECONNECT = { initial: 100, max: 5000 };

/**
 * Follows the registry at this address, from the first subscription until `close()`. While the registry is unavailable,
 * the last known instances stay. The first event after a reconnect replaces them. An exception is a registry that
 * reconnects without any instance: it has until its next event to find them.
 *
 * @param url the URL of the orchestrator, `http://127.0.0.1:3100`, or of its stream
 * @throws TypeError or RangeError for an invalid option or address
 *
 * @example
 * import { proxyBalanced, registryTargets } from '@tooloo/resilience';
 *
 * app.use(proxyBalanced({ service: 'training', targets: registryTargets('http://127.0.0.1:3100') }));
 */
export function registryTargets(url: string, options?: RegistryTargetsOptions): TargetSource {
  return new RegistryTargets(url, options);
}

class RegistryTargets implements TargetSource {
  readonly #url: URL;
  readonly #services: readonly string[] | undefined;
  readonly #headers: Record<string, string>;
  readonly #idleTimeout: number;
  readonly #onError: ((error: Error) => unknown) | undefined;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #listeners = new Map<{ readonly call: Listener }, string>();
  #instances: readonly RegisteredInstance[] | undefined;
  #lastEventId = '';
  #request: ClientRequest | undefined;
  /** The timer until the next connection attempt. */
  #timer: Timer | undefined;
  /** The timer until the stream counts as lost. */
  #watchdog: Timer | undefined;
  #isClosed = false;

  constructor(url: string, options?: RegistryTargetsOptions) {
    const checked = checkOptions(WHO, options, {
      service: anyOf(string, arrayOf(string)),
      token: string,
      idleTimeout: positive,
      onError: func,
      clock: clockCheck,
      random: func,
    });
    if (!/^https?:/.test(url) || !URL.canParse(url)) {
      throw new TypeError(`${WHO}: expected a URL such as 'http://127.0.0.1:3100', got ${JSON.stringify(url)}`);
    }
    this.#url = new URL(url);
    if (this.#url.pathname === '/') this.#url.pathname = PATH;
    this.#services = typeof checked.service === 'string' ? [checked.service] : checked.service;
    this.#headers = { Accept: 'text/event-stream', 'Cache-Control': 'no-store' };
    if (checked.token !== undefined) this.#headers['Authorization'] = `Bearer ${checked.token}`;
    this.#idleTimeout = checked.idleTimeout ?? 45_000;
    this.#onError = checked.onError;
    this.#clock = checked.clock ?? monotonicClock;
    this.#backoff = new Backoff({ ...RECONNECT, random: checked.random });
  }

  subscribe(service: string, call: Listener): () => void {
    const entry = { call };
    this.#listeners.set(entry, service);
    if (this.#instances !== undefined) call(this.#targetsOf(service));
    if (this.#request === undefined && this.#timer === undefined && !this.#isClosed) this.#connect();
    return () => {
      this.#listeners.delete(entry);
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#timer?.cancel();
    this.#watchdog?.cancel();
    this.#request?.destroy();
  }

  #connect(): void {
    this.#timer = undefined;
    const headers = { ...this.#headers, ...(this.#lastEventId !== '' && { 'Last-Event-ID': this.#lastEventId }) };
    const get = this.#url.protocol === 'https:' ? nodeModule('node:https').get : getHttp;
    const request = get(this.#url, { headers, agent: false });
    this.#request = request;
    let isOver = false;
    const lost = (error: Error): void => {
      if (isOver) return;
      isOver = true;
      this.#watchdog?.cancel();
      request.destroy();
      this.#lost(error);
    };
    const heard = (): void => {
      this.#watchdog?.cancel();
      if (this.#isClosed) return;
      this.#watchdog = startTimer(this.#clock, () => lost(new Error('nothing came for too long')), this.#idleTimeout);
    };
    heard();
    request.on('error', lost);
    request.once('socket', (socket) => socket.unref()); // following must not keep a process alive
    request.once('response', (response) => this.#read(response, lost, heard));
  }

  #read(response: IncomingMessage, lost: (error: Error) => void, heard: () => void): void {
    const type = response.headers['content-type'] ?? '';
    if (response.statusCode !== 200 || !/^text\/event-stream\b/i.test(type)) {
      lost(new Error(`expected an event stream, got status ${response.statusCode} and '${type}'`));
      return;
    }
    let isFirst = true;
    const parser = new EventStreamParser((event) => {
      this.#lastEventId = parser.lastEventId;
      this.#heard(event, isFirst);
      isFirst = false;
    });
    response.on('data', (chunk: Buffer) => {
      heard();
      try {
        parser.push(chunk);
      } catch (error) {
        lost(error instanceof Error ? error : new Error(messageOf(error)));
      }
    });
    response.on('error', lost);
    response.once('close', () => lost(new Error('the stream ended')));
  }

  #heard({ event, data }: ServerSentEvent, isFirst: boolean): void {
    if (event !== 'snapshot' && event !== 'change') return;
    const instances = readInstances(data, (error) => {
      if (this.#onError !== undefined) callGuarded(WHO, this.#onError, error);
    });
    this.#backoff.reset();
    // An orchestrator that has just restarted may know no instance yet. Those it knew before still respond, or refuse
    // connections.
    if (isFirst && instances.length === 0 && this.#instances !== undefined) return;
    this.#instances = instances;
    for (const [{ call }, service] of this.#listeners) callGuarded(WHO, call, this.#targetsOf(service));
  }

  #targetsOf(service: string): DiscoveredTarget[] {
    const names = this.#services ?? [service];
    return (this.#instances ?? [])
      .filter((instance) => names.includes(instance.service) && LIVE.has(instance.state))
      .map(({ host, port, weight, zone, state }) => ({
        host, // not its name: one that is restarted keeps that, and is another instance elsewhere
        port,
        weight,
        zone,
        draining: state === 'draining',
      }));
  }

  #lost(error: Error): void {
    this.#request = undefined;
    if (this.#isClosed) return;
    if (this.#onError !== undefined) callGuarded(WHO, this.#onError, error);
    this.#timer = startTimer(this.#clock, () => this.#connect(), this.#backoff.next());
  }
}

/** @throws TypeError for anything but an event of the registry */
function readInstances(data: string, onInvalid: (error: Error) => void): RegisteredInstance[] {
  const parsed = JSON.parse(data) as { instances?: unknown } | null;
  if (!Array.isArray(parsed?.instances)) throw new TypeError('the event holds no instances');
  // An invalid instance does not affect the others.
  return (parsed.instances as RegisteredInstance[]).filter((one) => isInstance(one, onInvalid));
}

function isInstance(instance: RegisteredInstance | null, onInvalid: (error: Error) => void): boolean {
  const { service, host, port, weight, zone, state } = instance ?? ({} as Partial<RegisteredInstance>);
  if (typeof service !== 'string' || typeof state !== 'string') {
    onInvalid(new TypeError('an instance has no service'));
    return false;
  }
  if (!LIVE.has(state)) return true;
  try {
    parseTarget(WHO, { host, port: port!, weight, zone });
    return true;
  } catch (error) {
    onInvalid(asError(error));
    return false;
  }
}
