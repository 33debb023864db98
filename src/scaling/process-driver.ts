/**
 * The common part of process drivers: the IPC messages of an instance, its first report, its graceful stop, and its
 * kill.
 */
import type { ChildProcess } from 'node:child_process';
import { startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { clock as clockCheck, func, milliseconds, string, type OptionChecks } from '../shared/options.js';
import type { InstanceExit, InstanceSpec, RunningInstance } from './driver.js';
import { readProcessUsage, type ProcessUsage } from './process-usage.js';
import { splitLines } from './line-splitter.js';

/** Time limits for the start and the stop of a process. */
export interface ProcessDriverOptions {
  /** Longest time from start to ready, in ms. Default 20,000. */
  readonly readyTimeout?: number;
  /** Longest time from SIGTERM to SIGKILL, in ms. Default 10,000. */
  readonly stopTimeout?: number;
  /** Receives each line that an instance prints. */
  readonly onLine?: (line: string, spec: InstanceSpec, stream: 'stdout' | 'stderr') => void;
  /** Address of the instances. Default 127.0.0.1. */
  readonly host?: string;
  /** The clock. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** A process, either started or adopted. */
export interface OwnedProcess {
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  readonly exited: Promise<InstanceExit>;
}

/** The functions of a driver, available separately. */
export interface ProcessDriver {
  readonly start: (spec: InstanceSpec, signal?: AbortSignal) => Promise<RunningInstance>;
  readonly stop: (instance: RunningInstance, timeout?: number) => Promise<void>;
  readonly usage: (instance: RunningInstance) => ProcessUsage | undefined;
  readonly letGo: () => void;
  readonly close: () => Promise<void>;
  /** Registers an instance whose process this driver did not start. */
  readonly own: (instance: RunningInstance, owned: OwnedProcess) => void;
}

/** The result of the first report of an instance. */
type Report =
  | { readonly kind: 'ready'; readonly port: number | undefined }
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly permanent?: boolean;
      readonly portInUse?: boolean;
    };

/**
 * The exit code for an invalid configuration (EX_CONFIG of sysexits.h). A retry cannot help.
 *
 * @example
 * import { EXIT_CONFIG } from '@tooloo/resilience';
 *
 * if (process.env.DATABASE_URL === undefined) process.exit(EXIT_CONFIG); // the supervisor does not restart it
 */
export const EXIT_CONFIG = 78;

export const PROCESS_DRIVER_CHECKS: OptionChecks<ProcessDriverOptions> = {
  readyTimeout: milliseconds,
  stopTimeout: milliseconds,
  onLine: func,
  host: string,
  clock: clockCheck,
};

/** Node's error code, in a report or in the output of an unhandled error. */
const PORT_IN_USE = 'EADDRINUSE';

function readReport(message: unknown): Report | undefined {
  if (message === 'ready') return { kind: 'ready', port: undefined };
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined;
  if (message.type === 'ready') {
    const port = 'port' in message && typeof message.port === 'number' ? message.port : undefined;
    return { kind: 'ready', port };
  }
  if (message.type !== 'failed' || !('message' in message)) return undefined;
  const portInUse = 'code' in message && message.code === PORT_IN_USE;
  return { kind: 'failed', message: String(message.message), portInUse };
}

function exitOf(child: ChildProcess): Promise<InstanceExit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    // A program that cannot be started emits `error` and never `exit`.
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}

/** Describes the end of a process. */
export function describeExit({ code, signal }: InstanceExit): string {
  if (signal !== null) return `was ended by ${signal}`;
  return code === null ? 'ended' : `ended with code ${code}`;
}

interface Launched extends OwnedProcess {
  readonly child: ChildProcess;
  /** Whether its output says that its port is in use. */
  sawPortInUse: boolean;
}

/** Settles with the first report of the instance: ready, failed, ended, or a timeout. */
function firstReport(launched: Launched, timeout: number, clock: Clock, signal?: AbortSignal): Promise<Report> {
  const { child, exited } = launched;
  return new Promise((resolve) => {
    const timer = startTimer(
      clock,
      () => resolve({ kind: 'failed', message: `was not ready after ${timeout} ms` }),
      timeout,
    );
    const onAbort = (): void => resolve({ kind: 'failed', message: 'was stopped while it started' });
    signal?.addEventListener('abort', onAbort, { once: true });
    child.on('message', (message) => {
      const report = readReport(message);
      // A failure report arrives before the exit code. The exit code shows whether a retry can help.
      if (report?.kind === 'failed')
        void exited.then(({ code }) => resolve({ ...report, permanent: code === EXIT_CONFIG }));
      else if (report !== undefined) {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        resolve(report);
      }
    });
    child.once('error', (error) => resolve({ kind: 'failed', message: error.message, permanent: true }));
    void exited.then((exit) => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      // Messages and lines sent before the exit are delivered before this turn of the event loop ends.
      setImmediate(() =>
        resolve({
          kind: 'failed',
          message: describeExit(exit),
          permanent: exit.code === EXIT_CONFIG,
          portInUse: launched.sawPortInUse,
        }),
      );
    });
  });
}

/**
 * A driver for processes started by a given function.
 *
 * @param who begins the message of an error
 * @param launch starts the process of an instance, with piped output and an IPC channel
 */
export function processDriver(
  who: string,
  launch: (spec: InstanceSpec) => ChildProcess,
  options: ProcessDriverOptions & { readonly clock: Clock },
): ProcessDriver {
  const { readyTimeout = 20_000, stopTimeout = 10_000, onLine = () => {}, host = '127.0.0.1', clock } = options;
  const running = new Set<OwnedProcess>();
  const processOf = new WeakMap<RunningInstance, OwnedProcess>();

  // The last resort if this process ends without close(): a graceful stop of the instances instead of orphans.
  const onProcessExit = (): void => {
    for (const owned of running) owned.kill('SIGTERM');
  };

  function keep(owned: OwnedProcess): void {
    if (running.size === 0) process.once('exit', onProcessExit);
    running.add(owned);
    void owned.exited.then(() => {
      running.delete(owned);
      if (running.size === 0) process.removeListener('exit', onProcessExit);
    });
  }

  function begin(spec: InstanceSpec): Launched {
    const child = launch(spec);
    const launched = {
      child,
      exited: exitOf(child),
      sawPortInUse: false,
      kill: (name) => child.kill(name),
    } as Launched;
    keep(launched);
    for (const stream of ['stdout', 'stderr'] as const) {
      const feed = splitLines((line) => {
        launched.sawPortInUse ||= line.includes(PORT_IN_USE);
        onLine(line, spec, stream);
      });
      child[stream]?.on('data', feed).once('end', () => feed(undefined));
    }
    return launched;
  }

  async function end(owned: OwnedProcess, timeout: number): Promise<void> {
    owned.kill('SIGTERM');
    const deadline = startTimer(clock, () => owned.kill('SIGKILL'), timeout);
    await owned.exited;
    deadline.cancel();
  }

  return {
    own(instance, owned) {
      keep(owned);
      processOf.set(instance, owned);
    },
    async start(spec, signal) {
      signal?.throwIfAborted();
      const begun = clock.now();
      const launched = begin(spec);
      const report = await firstReport(launched, readyTimeout, clock, signal);
      if (report.kind === 'failed') {
        await end(launched, 0);
        const { message, permanent = false, portInUse = false } = report;
        throw new ResilienceError('START_FAILED', `${spec.id}: ${message}`, { extensions: { permanent, portInUse } });
      }
      const { child, exited } = launched;
      const port = report.port ?? spec.port;
      const instance = { ...spec, host, port, pid: child.pid, readyAfter: clock.now() - begun, exited };
      processOf.set(instance, launched);
      return instance;
    },
    async stop(instance, timeout = stopTimeout) {
      const owned = processOf.get(instance);
      if (owned === undefined) throw new TypeError(`${who}: ${instance.id} was not started by this driver`);
      await end(owned, timeout);
    },
    usage: ({ pid }) => (pid === undefined ? undefined : readProcessUsage(pid)),
    letGo() {
      running.clear();
      process.removeListener('exit', onProcessExit);
    },
    async close() {
      await Promise.all([...running].map((owned) => end(owned, stopTimeout)));
    },
  };
}
