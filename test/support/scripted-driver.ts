/** A scaling driver whose instances are objects that a test ends, for tests that are about time and order alone. */
import type { InstanceExit, InstanceSpec, RunningInstance, ScalingDriver } from '../../src/scaling/driver.js';

interface Started {
  readonly instance: RunningInstance;
  readonly end: (exit: InstanceExit) => void;
}

export class ScriptedDriver implements ScalingDriver {
  readonly started: Started[] = [];
  /** Those that have not ended. */
  readonly running = new Set<RunningInstance>();
  /** Starts are refused with it. */
  failWith: Error | undefined;
  /** Starts wait until they are released. */
  hold = false;
  stops = 0;
  /** What the system says of a process. */
  usage: NonNullable<ScalingDriver['usage']> = () => undefined;
  #waiting: Array<() => void> = [];

  /** Starts that wait. */
  get starting(): number {
    return this.#waiting.length;
  }

  release(): void {
    this.hold = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async start(spec: InstanceSpec, signal?: AbortSignal): Promise<RunningInstance> {
    if (this.failWith !== undefined) throw this.failWith;
    signal?.throwIfAborted();
    if (this.hold)
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    let end!: (exit: InstanceExit) => void;
    const exited = new Promise<InstanceExit>((resolve) => (end = resolve));
    const port = spec.port === 0 ? 40_000 + this.started.length : spec.port;
    const instance = { ...spec, port, host: '127.0.0.1', pid: this.started.length + 1, readyAfter: 5, exited };
    this.started.push({ instance, end });
    this.running.add(instance);
    void exited.then(() => this.running.delete(instance));
    return instance;
  }

  stop(instance: RunningInstance): Promise<void> {
    this.stops++;
    this.started.find((one) => one.instance === instance)!.end({ code: 0, signal: null });
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
