/** The side of a worker: its connections from the primary process, and its exchange with the other workers. */
import { channel as diagnostics } from 'node:diagnostics_channel';
import type { IncomingMessage, Server } from 'node:http';
import { Socket } from 'node:net';
import { ResilienceError } from '../../src/index.js';
import { envelope, readMessage, type Member, type ToPrimary, type ToWorker } from './messages.js';

type Handler = (data: unknown, from: string) => unknown;

/** Node publishes each accepted connection here. One that comes from another process is published by its receiver. */
const ACCEPTED = diagnostics('net.server.socket');

export class WorkerGroup {
  /** Id of this worker. */
  readonly id: string;
  /** Id of the whole server: what the orchestrator calls the primary process. */
  readonly name: string;
  readonly #received = new WeakSet<Socket>();
  readonly #handlers = new Map<string, Handler>();
  readonly #listeners = new Set<() => void>();
  readonly #pending = new Map<number, (message: ToWorker) => void>();
  #members: readonly Member[] = [];
  #port = 0;
  #server: Server | undefined;
  #asked = 0;
  #onLeft: (() => void) | undefined;

  /** @param id of this worker: the name of the whole, a hyphen and a number */
  constructor(id: string) {
    this.id = id;
    this.name = id.replace(/-\d+$/, '');
    process.on('message', (message, handle) => {
      const known = readMessage<ToWorker>(message);
      if (known !== undefined) this.#heard(known, handle instanceof Socket ? handle : undefined);
    });
  }

  /** The process that the orchestrator knows. */
  get primaryPid(): number {
    return process.ppid;
  }

  /** The workers that are ready, in the order of their numbers. */
  get members(): readonly Member[] {
    return this.#members;
  }

  /** The port that all workers share; 0 before it is known. */
  get publicPort(): number {
    return this.#port;
  }

  /** Whether this worker does what only one of them does. */
  get isLeader(): boolean {
    return this.#members[0]?.id === this.id;
  }

  /** Calls the listener when a worker became ready or ended. */
  onMembers(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the request came over the port that all workers share, and not over that of this worker. */
  isPublic({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
    return this.#received.has(socket);
  }

  /** Gives the connections of the public port to this server from now on. */
  serve(server: Server): void {
    this.#server = server;
  }

  /** Handles what the others say about a topic. */
  on(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler);
  }

  /** Says something to all other workers. */
  tell(topic: string, data: unknown): void {
    this.#say({ kind: 'tell', topic, data });
  }

  /**
   * Settles when all other workers have handled it. A worker that ends meanwhile is not waited for.
   *
   * @throws ResilienceError UPSTREAM_INVALID if one failed
   */
  async ask(topic: string, data: unknown): Promise<void> {
    const done = await this.#request((id) => ({ kind: 'tell', topic, data, id }));
    if (done.kind === 'done' && !done.ok)
      throw new ResilienceError('UPSTREAM_INVALID', `a worker failed to handle '${topic}'`);
  }

  /** The metrics of all workers together, as JSON. The primary process also knows those of workers that ended. */
  async metrics(): Promise<string> {
    const answer = await this.#request((id) => ({ kind: 'metrics', id }));
    return answer.kind === 'metrics' ? answer.text : '[]';
  }

  /** Settles when this worker gets no more connections. Those that it has got are with its server. */
  leave(): Promise<void> {
    return new Promise((resolve) => {
      this.#onLeft = resolve;
      this.#say({ kind: 'leaving' });
    });
  }

  #request(message: (id: number) => ToPrimary): Promise<ToWorker> {
    const id = ++this.#asked;
    return new Promise((resolve) => {
      this.#pending.set(id, resolve);
      this.#say(message(id));
    });
  }

  #say(message: ToPrimary): void {
    // Without the primary process this one ends as well, so nothing is lost with the message.
    process.send?.(envelope(message), undefined, undefined, () => undefined);
  }

  #heard(message: ToWorker, socket: Socket | undefined): void {
    switch (message.kind) {
      case 'connection':
        this.#say({ kind: 'accepted' });
        if (socket !== undefined) this.#receive(socket);
        break;
      case 'members':
        this.#members = message.members;
        this.#port = message.port;
        for (const listener of this.#listeners) listener();
        break;
      case 'left':
        this.#onLeft?.();
        break;
      case 'ask-alive':
        this.#say({ kind: 'alive' });
        break;
      case 'told':
        void this.#handle(message);
        break;
      case 'done':
      case 'metrics':
        this.#pending.get(message.id)?.(message);
        this.#pending.delete(message.id);
    }
  }

  #receive(socket: Socket): void {
    if (this.#server === undefined) return void socket.destroy();
    this.#received.add(socket);
    this.#server.emit('connection', socket);
    ACCEPTED.publish({ socket });
  }

  async #handle({ topic, data, from, id }: ToWorker & { kind: 'told' }): Promise<void> {
    let ok = true;
    try {
      await this.#handlers.get(topic)?.(data, from);
    } catch {
      ok = false;
    }
    if (id !== undefined) this.#say({ kind: 'answer', id, ok });
  }
}
