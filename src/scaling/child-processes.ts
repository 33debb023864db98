/**
 * Runs instances as child processes of this one. An instance says over its IPC channel that it is ready
 * (`process.send('ready')`, as PM2 expects it too, or `{ type: 'ready', port }` when it chose its port), and ends on SIGTERM.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkOptions, clock as clockCheck, func, milliseconds, string, type OptionChecks } from '../shared/options.js';
import type { InstanceExit, InstanceSpec, RunningInstance, ScalingDriver } from './driver.js';
import { splitLines } from './line-splitter.js';

/** What to run for an instance. */
export interface InstanceCommand {
  /** A program; the running Node unless told. */
  readonly file?: string;
  readonly args: readonly string[];
  /** Added to this process' environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ChildProcessesOptions {
  /** The command that runs an instance. It must listen on `spec.port`. */
  readonly command: (spec: InstanceSpec) => InstanceCommand;
  /** Longest time from start to ready, in ms. Default 20,000. */
  readonly readyTimeout?: number;
  /** Longest time from SIGTERM to SIGKILL, in ms. Default 10,000. */
  readonly stopTimeout?: number;
  /** Receives every line an instance prints. */
  readonly onLine?: (line: string, spec: InstanceSpec, stream: 'stdout' | 'stderr') => void;
  /** Address the instances are reached at. Default 127.0.0.1. */
  readonly host?: string;
  readonly clock?: Clock;
}

/** What an instance may tell over its channel. */
type Report =
  { readonly kind: 'ready'; readonly port: number | undefined } | { readonly kind: 'failed'; readonly message: string };

/** The exit code that says "my configuration is wrong" (EX_CONFIG of sysexits.h): trying again cannot help. */
export const EXIT_CONFIG = 78;

const CHECKS: OptionChecks<ChildProcessesOptions> = {
  command: func,
  readyTimeout: milliseconds,
  stopTimeout: milliseconds,
  onLine: func,
  host: string,
  clock: clockCheck,
};

function readReport(message: unknown): Report | undefined {
  if (message === 'ready') return { kind: 'ready', port: undefined };
  if (typeof message !== 'object' || message === null || !('type' in message)) return undefined;
  if (message.type === 'ready') {
    const port = 'port' in message && typeof message.port === 'number' ? message.port : undefined;
    return { kind: 'ready', port };
  }
  if (message.type === 'failed' && 'message' in message) return { kind: 'failed', message: String(message.message) };
  return undefined;
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

function describeExit({ code, signal }: InstanceExit): string {
  if (signal !== null) return `was ended by ${signal}`;
  return code === null ? 'could not be started' : `ended with code ${code}`;
}

/**
 * A driver that runs each instance as a child process in a process group of its own, so that Ctrl-C at the terminal
 * reaches only this process, which then stops its instances in order.
 */
export function childProcesses(options: ChildProcessesOptions): ScalingDriver {
  const {
    command,
    readyTimeout = 20_000,
    stopTimeout = 10_000,
    onLine = () => {},
    host = '127.0.0.1',
    clock = monotonicClock,
  } = checkOptions('childProcesses', options, CHECKS);
  const running = new Map<ChildProcess, Promise<InstanceExit>>();
  const childOf = new WeakMap<RunningInstance, ChildProcess>();

  // The last resort when this process ends without close(): an orderly end is still better than an orphan.
  const onProcessExit = (): void => {
    for (const child of running.keys()) child.kill('SIGTERM');
  };

  function launch(spec: InstanceSpec): { child: ChildProcess; exited: Promise<InstanceExit> } {
    const { file = process.execPath, args, env } = command(spec);
    const child = spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    if (running.size === 0) process.once('exit', onProcessExit);
    const exited = exitOf(child);
    running.set(child, exited);
    void exited.then(() => {
      running.delete(child);
      if (running.size === 0) process.removeListener('exit', onProcessExit);
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      const feed = splitLines((line) => onLine(line, spec, stream));
      child[stream]?.on('data', feed).once('end', () => feed(undefined));
    }
    return { child, exited };
  }

  /** Settles with what the instance reports first: ready, failed, ended, or nothing in time. */
  function firstReport(
    child: ChildProcess,
    exited: Promise<InstanceExit>,
    signal: AbortSignal | undefined,
  ): Promise<Report & { readonly permanent?: boolean }> {
    return new Promise((resolve) => {
      const timer = startTimer(
        clock,
        () => resolve({ kind: 'failed', message: `was not ready after ${readyTimeout} ms` }),
        readyTimeout,
      );
      child.on('message', (message) => {
        const report = readReport(message);
        if (report === undefined) return;
        // What it says of a failure comes before its exit code, which tells whether trying again can help.
        if (report.kind === 'failed')
          void exited.then(({ code }) => resolve({ ...report, permanent: code === EXIT_CONFIG }));
        else resolve(report);
      });
      signal?.addEventListener('abort', () => resolve({ kind: 'failed', message: 'was stopped while it started' }), {
        once: true,
      });
      child.once('error', (error) => resolve({ kind: 'failed', message: error.message, permanent: true }));
      void exited.then((exit) => {
        timer.cancel();
        // Messages sent before the exit are delivered before this turn ends.
        setImmediate(() =>
          resolve({ kind: 'failed', message: describeExit(exit), permanent: exit.code === EXIT_CONFIG }),
        );
      });
    });
  }

  async function end(child: ChildProcess, exited: Promise<InstanceExit>, timeout: number): Promise<void> {
    child.kill('SIGTERM');
    const deadline = startTimer(clock, () => child.kill('SIGKILL'), timeout);
    await exited;
    deadline.cancel();
  }

  return {
    async start(spec, signal) {
      signal?.throwIfAborted();
      const begun = clock.now();
      const { child, exited } = launch(spec);
      const report = await firstReport(child, exited, signal);
      if (report.kind === 'failed') {
        await end(child, exited, 0);
        throw new ResilienceError('START_FAILED', `${spec.id}: ${report.message}`, {
          extensions: { permanent: report.permanent ?? false },
        });
      }
      const instance: RunningInstance = {
        ...spec,
        host,
        port: report.port ?? spec.port,
        pid: child.pid,
        readyAfter: clock.now() - begun,
        exited,
      };
      childOf.set(instance, child);
      return instance;
    },
    async stop(instance, timeout = stopTimeout) {
      const child = childOf.get(instance);
      if (child === undefined) throw new TypeError(`childProcesses: ${instance.id} was not started by this driver`);
      await end(child, instance.exited, timeout);
    },
    async close() {
      await Promise.all([...running].map(([child, exited]) => end(child, exited, stopTimeout)));
    },
  };
}
