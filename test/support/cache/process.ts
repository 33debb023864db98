/** The parent's side of a process with a cache: calls it and gets its replies; a killed one is started again. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { nextMessage, startProgram } from '../bundled-child.js';
import type { Call, Reply } from './process-program.js';

export class CacheProcess {
  readonly #bundle: string;
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>();
  #child: ChildProcess;
  #calls = 0;

  private constructor(bundle: string, child: ChildProcess) {
    this.#bundle = bundle;
    this.#child = child;
    this.#listen();
  }

  static async start(bundle: string): Promise<CacheProcess> {
    const child = startProgram(bundle);
    await nextMessage(child);
    return new CacheProcess(bundle, child);
  }

  /** The reply; undefined if the process was killed before it. Throws what the call threw there. */
  async call(call: Call): Promise<Reply | undefined> {
    const id = ++this.#calls;
    const reply = await new Promise<Reply | undefined>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, call });
    });
    if (reply?.failure !== undefined) throw new Error(`${JSON.stringify(call)}: ${reply.failure}`);
    return reply;
  }

  /** Ends it as a crash does, and starts another one. */
  async restart(): Promise<void> {
    await this.stop();
    this.#child = startProgram(this.#bundle);
    await nextMessage(this.#child);
    this.#listen();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    for (const settle of this.#waiting.values()) settle(undefined);
    this.#waiting.clear();
  }

  /** From now on a file cannot grow beyond this many bytes: the disk is full. */
  limitFiles(bytes: number | 'unlimited'): void {
    const { status, stderr } = spawnSync('prlimit', ['--pid', String(this.#child.pid), `--fsize=${bytes}:unlimited`]);
    if (status !== 0) throw new Error(String(stderr));
  }

  #listen(): void {
    this.#child.on('message', (message: { id: number; reply: Reply } | 'ready') => {
      if (message === 'ready') return;
      this.#waiting.get(message.id)?.(message.reply);
      this.#waiting.delete(message.id);
    });
  }
}
