/** Instances as an orchestrator's registry tells of them: a stream of server-sent events that is followed for ever. */
import { get as getHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { Backoff, type Random } from '../../shared/backoff.js';
import { monotonicClock, startTimer, type Clock, type Timer } from '../../shared/clock.js';
import { messageOf } from '../../shared/errors.js';
import { callGuarded } from '../../shared/listeners.js';
import { anyOf, arrayOf, checkOptions, clock as clockCheck, func, positive, string } from '../../shared/options.js';
import { parseTarget } from '../target.js';
import { EventStreamParser, type ServerSentEvent } from './event-stream-parser.js';
import type { DiscoveredTarget, TargetSource } from './target-source.js';

/** How the stream of instances is followed. */
export interface RegistryTargetsOptions {
  /** The service, or services, to take from the registry whatever name is subscribed with. Default: the name subscribed. */
  readonly service?: string | readonly string[];
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string;
  /** Milliseconds of silence after which the stream counts as dead; the registry sends something every 15 s. Default 45 000. */
  readonly idleTimeout?: number;
  /** Told when the stream cannot be had; it is tried again. Default: ignored, the last known instances serve. */
  readonly onError?: (error: Error) => unknown;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Where chance comes from. Default `Math.random`. */
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
/** Who may be sent traffic, or still has some. */
const LIVE: ReadonlySet<string> = new Set(['ready', 'draining']);
const RECONNECT = { initial: 100, max: 5000 };

/**
 * Follows the registry at this address, from the first subscription until `close()`. While the registry is away the
 * last known instances stay; its first word after a reconnect replaces them, except that a registry which comes back
 * knowing none at all is given until its next event to find them.
 *
 * @param url of the orchestrator, `http://127.0.0.1:3100`, or of its stream
 * @throws TypeError or RangeError for a wrong option or address
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
  /** Until the next try. */
  #timer: Timer | undefined;
  /** Until the stream counts as dead. */
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
    const get = this.#url.protocol === 'https:' ? getHttps : getHttp;
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
    request.once('error', lost);
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
    response.once('error', lost);
    response.once('close', () => lost(new Error('the stream ended')));
  }

  #heard({ event, data }: ServerSentEvent, isFirst: boolean): void {
    if (event !== 'snapshot' && event !== 'change') return;
    const instances = readInstances(data);
    this.#backoff.reset();
    // An orchestrator that has just restarted may know nobody yet; those it knew before still answer, or are refused.
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

/** @throws TypeError for anything but a registry's event */
function readInstances(data: string): RegisteredInstance[] {
  const parsed = JSON.parse(data) as { instances?: unknown } | null;
  if (!Array.isArray(parsed?.instances)) throw new TypeError('the event holds no instances');
  const instances = parsed.instances as RegisteredInstance[];
  for (const { service, host, port, weight, zone, state } of instances) {
    if (typeof service !== 'string' || typeof state !== 'string') throw new TypeError('an instance has no service');
    if (LIVE.has(state)) parseTarget(WHO, { host, port, weight, zone });
  }
  return instances;
}
