/**
 * Runs a server in several processes (`WEB_WORKERS`). This process is the primary one: it owns the public port and the
 * limits, starts the workers, and starts each again that ends by itself. It serves no request.
 */
import cluster, { type Worker } from 'node:cluster';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  clusterMetrics,
  clusterWorkers,
  ClusterStore,
  createSummedMetrics,
  DiskCacheLayer,
  HorizontalScalingManager,
  monotonicClock,
  startTimer,
  type InstanceDetails,
  type InstanceSpec,
  type Timer,
} from '../../src/index.js';
import { CloseStack } from '../support/close-stack.js';
import { ConfigError, portOf, type FleetConfig } from '../support/config.js';
import type { ServiceName } from '../support/fleet.js';
import { createLogger, type Logger } from '../support/logger.js';
import { Exchange, type Party } from './exchange.js';
import { envelope, readMessage, type Member, type ToPrimary, type ToWorker } from './messages.js';
import { PublicPort, type Receiver } from './public-port.js';
import { StuckWorkers } from './stuck-workers.js';

/** Time added to the worker's own shutdown time before it is killed, in ms. The orchestrator waits a second longer. */
const STOP_MARGIN = 1_000;

/** Milliseconds by which a signal may reach this process later than a worker. */
const SIGNAL_SKEW = 200;

/** Milliseconds that a worker may take to report its metrics. */
const METRICS_TIMEOUT = 2_000;

/** Milliseconds until a worker that crashed again and again is tried again. */
const RETRY = 30_000;

/** A worker, as the port and the exchange see it. */
class Seat implements Party, Receiver {
  isLeaving = false;

  constructor(
    readonly id: string,
    readonly worker: Worker,
  ) {}

  send(message: ToWorker): void {
    if (this.worker.isConnected()) this.worker.send(envelope(message), undefined, undefined, () => undefined);
  }

  receive(socket: Socket): void {
    // A worker that has just ended does not get it. Another one does, once the exit is noticed.
    if (this.worker.isConnected())
      this.worker.send(envelope({ kind: 'connection' }), socket, { keepOpen: true }, () => undefined);
  }
}

export interface RunningWorkers {
  readonly log: Logger;
  /** Waits until all workers are ready, and listens. Resolves to the URL. */
  listen(): Promise<string>;
  /** Stops to accept connections, and ends the workers once their connections are over. Idempotent. */
  readonly close: () => Promise<void>;
}

/** @throws ConfigError if a limit cannot be divided among the workers */
export function runWorkers(name: ServiceName, config: FleetConfig): RunningWorkers {
  return new Workers(name, config);
}

class Workers implements RunningWorkers {
  readonly #config: FleetConfig;
  readonly #service: ServiceName;
  readonly #name: string;
  readonly #stack = new CloseStack();
  readonly #port = new PublicPort();
  readonly #exchange = new Exchange();
  readonly #manager: HorizontalScalingManager;
  readonly #seats = new Map<string, Seat>();
  readonly #stuck = new StuckWorkers<Seat>({
    ask: (seat) => seat.send({ kind: 'ask-alive' }),
    onStuck: (seat) => this.#end(seat),
  });
  readonly log: Logger;
  /** By worker, why it does not run, as it was logged. */
  readonly #told = new Map<string, string>();
  #retry: Timer | undefined;
  readonly #metrics: (format: 'json') => Promise<string>;
  #actualPort = 0;
  /** Whether the workers that stop still get connections, because all of them stop. */
  #isServing = false;
  #closing: Promise<void> | undefined;

  constructor(service: ServiceName, config: FleetConfig) {
    const { WEB_WORKERS: count, DRAIN_DELAY_MS, SHUTDOWN_TIMEOUT_MS } = config;
    if (typeof config.MAX_IN_FLIGHT === 'number' && config.MAX_IN_FLIGHT < count)
      throw new ConfigError(`MAX_IN_FLIGHT: expected at least one request per worker (WEB_WORKERS=${count})`);
    this.#config = config;
    this.#service = service;
    this.#name = config.INSTANCE_ID ?? service;
    this.log = createLogger({ service, instance: this.#name, level: config.LOG_LEVEL });
    if (config.REDIS_URL === undefined) forgetCached(service, config);
    const limits = new ClusterStore();
    this.#stack.add(() => limits.close());
    this.#stack.add(() => this.#stuck.close());
    const driver = clusterWorkers({
      program: process.argv[1]!,
      stopTimeout: DRAIN_DELAY_MS + SHUTDOWN_TIMEOUT_MS + STOP_MARGIN,
      env: (spec) => this.#environmentOf(spec),
      onLine: (line, _spec, stream) => void process[stream].write(`${line}\n`),
    });
    this.#manager = new HorizontalScalingManager({
      driver,
      services: { [this.#name]: { port: 0, min: count, max: count } },
    });
    this.#manager.onChange(() => this.#changed());
    const summed = createSummedMetrics({ collect: clusterMetrics({ timeout: METRICS_TIMEOUT }) });
    this.#metrics = (format) => summed.render(format);
    cluster.on('message', this.#onMessage);
    this.#stack.add(() => cluster.removeListener('message', this.#onMessage));
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined); // without a reader, lines are lost
  }

  async listen(): Promise<string> {
    await this.#manager.startService(this.#name);
    const late = this.#manager.getInstanceDetails(this.#name).find(({ state }) => state !== 'ready');
    if (late !== undefined) throw new Error(late.reason ?? `${late.id} did not start`);
    const { HOST: host } = this.#config;
    this.#actualPort = await this.#port.listen(portOf(this.#config, this.#service), host);
    this.#changed();
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#actualPort}`;
  }

  readonly close = (): Promise<void> => {
    this.#closing ??= this.#close();
    return this.#closing;
  };

  /** The workers begin to drain at once, and keep their listeners until this process has handed over the last connection. */
  async #close(): Promise<void> {
    this.#isServing = true;
    this.#retry?.cancel();
    const ended = this.#manager.shutdown();
    await sleep(this.#config.DRAIN_DELAY_MS);
    if (this.#actualPort !== 0) await this.#port.close();
    this.#isServing = false;
    for (const seat of this.#seats.values()) if (seat.isLeaving) this.#letGo(seat);
    await ended;
    await this.#stack.close();
  }

  /** Divides the limit that each process counts for itself, so that the sum is the configured one. */
  #environmentOf({ id }: InstanceSpec): Record<string, string> {
    const { MAX_IN_FLIGHT: most, WEB_WORKERS: count } = this.#config;
    if (typeof most !== 'number') return { INSTANCE_ID: id };
    const number = Number(id.slice(this.#name.length + 1));
    const share = Math.floor(most / count) + (number <= most % count ? 1 : 0);
    return { INSTANCE_ID: id, MAX_IN_FLIGHT: String(share) };
  }

  /** Gives connections to a worker that has become ready, and sends all workers the new list. */
  #changed(): void {
    const ready = this.#details.filter(({ state }) => state === 'ready');
    const workers = new Map(Object.values(cluster.workers ?? {}).map((worker) => [worker!.process.pid, worker!]));
    for (const { id, pid } of ready) {
      const worker = workers.get(pid ?? undefined);
      if (worker === undefined || this.#seats.get(id)?.worker === worker) continue;
      const seat = new Seat(id, worker);
      this.#seats.set(id, seat);
      worker.once('exit', () => this.#vacate(seat));
      this.#port.add(seat);
      this.#stuck.watch(seat);
    }
    this.#tellMembers();
    this.#watchFailures();
  }

  #tellMembers(): void {
    const members = this.#details.flatMap(({ id, pid, port, restarts, state }): Member[] =>
      pid !== null && state === 'ready' && this.#seats.has(id) ? [{ id, pid, port, restarts }] : [],
    );
    for (const seat of this.#seats.values()) seat.send({ kind: 'members', members, port: this.#actualPort });
  }

  #vacate(seat: Seat): void {
    if (this.#seats.get(seat.id) !== seat) return;
    this.#seats.delete(seat.id);
    this.#port.remove(seat);
    this.#stuck.forget(seat);
    this.#exchange.gone(seat.id);
    this.#tellMembers();
  }

  /** Reports each crash, and tries again later what the manager has given up. */
  #watchFailures(): void {
    for (const { id, state, reason } of this.#details) {
      const told = state === 'waiting' || state === 'failed' ? (reason ?? state) : undefined;
      if (told !== undefined && this.#told.get(id) !== told)
        this.log.error({ worker: id, reason: told }, 'a worker ended');
      if (told === undefined) this.#told.delete(id);
      else this.#told.set(id, told);
    }
    if (this.#retry !== undefined || !this.#details.some(({ state }) => state === 'failed')) return;
    this.#retry = startTimer(
      monotonicClock,
      () => {
        this.#retry = undefined;
        void this.#manager.startService(this.#name).catch(() => undefined); // it is closing
      },
      RETRY,
    );
  }

  readonly #onMessage = (worker: Worker, message: unknown): void => {
    const said = readMessage<ToPrimary>(message);
    const seat = [...this.#seats.values()].find((one) => one.worker === worker);
    if (said === undefined || seat === undefined) return;
    switch (said.kind) {
      case 'accepted':
        return this.#port.accepted(seat);
      case 'alive':
        return this.#stuck.answered(seat);
      case 'leaving':
        return this.#leaves(seat);
      case 'tell':
        return this.#exchange.tell(
          said,
          seat,
          [...this.#seats.values()].filter((one) => one !== seat),
        );
      case 'answer':
        return this.#exchange.answered(said, seat);
      case 'metrics':
        void this.#metrics('json').then((text) => seat.send({ kind: 'metrics', id: said.id, text }));
    }
  };

  /** By force, because a signal that a process handles is handled by its event loop. The manager starts it again. */
  #end({ id, worker }: Seat): void {
    this.log.error({ worker: id }, 'a worker does not answer and is replaced');
    worker.process.kill('SIGKILL');
  }

  /**
   * A worker that stops alone leaves. When all stop, they serve until the port is closed. A signal to the whole process
   * group, as systemd sends it, may reach a worker before it reaches this process.
   */
  #leaves(seat: Seat): void {
    seat.isLeaving = true;
    const leave = (): void => {
      if (!this.#isServing) this.#letGo(seat);
    };
    startTimer(monotonicClock, leave, SIGNAL_SKEW);
  }

  #letGo(seat: Seat): void {
    this.#port.retire(seat);
    seat.send({ kind: 'left' });
  }

  get #details(): readonly InstanceDetails[] {
    return this.#manager.getInstanceDetails(this.#name);
  }
}

/**
 * Invalidations that were published while no worker ran are lost, but the file still has the entries. A worker that is
 * started again needs no such caution, because the others keep the file up to date.
 */
function forgetCached(service: ServiceName, { DATA_DIR }: FleetConfig): void {
  const dbPath = join(DATA_DIR, `${service}-cache.sqlite`);
  if (!existsSync(dbPath)) return;
  const layer = new DiskCacheLayer({ dbPath });
  layer.clear();
  layer.destroy();
}
