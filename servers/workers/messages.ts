/** The messages between the processes of one web server: its primary process and its workers. */

/** A worker that is ready. */
export interface Member {
  /** Id of the instance, `web-1-2`. */
  readonly id: string;
  readonly pid: number;
  /** The port on 127.0.0.1 where only this worker answers. */
  readonly port: number;
  readonly restarts: number;
}

/** Distinguishes these messages from those of the shared limits and metrics, which use the same channel. */
export const CHANNEL = 'tooloo:workers';

export type ToWorker =
  /** A connection of the public port comes with it. */
  | { readonly kind: 'connection' }
  /** All workers that are ready, in the order of their numbers, and the public port. */
  | { readonly kind: 'members'; readonly members: readonly Member[]; readonly port: number }
  /** This worker gets no more connections. */
  | { readonly kind: 'left' }
  /** Asks for an `alive`. */
  | { readonly kind: 'ask-alive' }
  /** What another worker says. With an `id`, it expects an answer. */
  | {
      readonly kind: 'told';
      readonly from: string;
      readonly topic: string;
      readonly data: unknown;
      readonly id?: number;
    }
  /** All other workers have done what was asked, or one has failed. */
  | { readonly kind: 'done'; readonly id: number; readonly ok: boolean }
  /** The metrics of all workers, as JSON. */
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string };

export type ToPrimary =
  /** The connection has arrived, and the worker can take another one. */
  | { readonly kind: 'accepted' }
  /** The event loop of this worker turns. */
  | { readonly kind: 'alive' }
  /** The worker stops once it has heard that it gets no more connections. */
  | { readonly kind: 'leaving' }
  /** For all other workers. With an `id`, the sender gets a `done` after all of them have handled it. */
  | { readonly kind: 'tell'; readonly topic: string; readonly data: unknown; readonly id?: number }
  /** The answer to a `told` with that id. */
  | { readonly kind: 'answer'; readonly id: number; readonly ok: boolean }
  | { readonly kind: 'metrics'; readonly id: number };

/** A message as it is sent. */
export function envelope<M extends ToWorker | ToPrimary>(message: M): M & { readonly channel: string } {
  return { ...message, channel: CHANNEL };
}

/** The message of a process of this server; undefined if it belongs to another part of the program. */
export function readMessage<M extends ToWorker | ToPrimary>(message: unknown): M | undefined {
  const isOwn = typeof message === 'object' && message !== null && 'channel' in message && message.channel === CHANNEL;
  return isOwn ? (message as unknown as M) : undefined;
}
