/**
 * The work of a server per request, in counts that do not depend on the speed of the machine: promises, timers, ticks,
 * other async resources and listeners. Requests arrive on an in-process connection, one after the other.
 */
import { createHook } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { Duplex } from 'node:stream';

/** Counts per request. */
export interface RequestCost {
  readonly promises: number;
  readonly timers: number;
  readonly ticks: number;
  /** Async resources of any other type. */
  readonly resources: number;
  readonly listeners: number;
}

export const REQUEST = 'GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: budget/1\r\nAccept: */*\r\n\r\n';

/** The requests before the measured ones: connections open, and caches know the resource. */
const WARM_UP = 12;
const MEASURED = 31;

/** Each adds one listener; `once` is not among them because it calls `on`. */
const ADDERS = ['on', 'addListener', 'prependListener'] as const;

/** A connection of a client within this process. */
export class Connection extends Duplex {
  readonly remoteAddress = '127.0.0.1';

  override _read(): void {
    // The test pushes each request.
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  setTimeout(): this {
    return this;
  }
}

/**
 * Whether a timer only ends the validity of a clock reading, as in lru-cache: one a millisecond, so that their number
 * depends on the speed of the machine.
 */
function isClock(timer: object): boolean {
  return '_idleTimeout' in timer && timer._idleTimeout === 1;
}

class Counts {
  promises = 0;
  timers = 0;
  ticks = 0;
  resources = 0;
  listeners = 0;

  add(type: string, resource: object): void {
    if (type === 'PROMISE') this.promises++;
    else if (type === 'Timeout') this.timers += isClock(resource) ? 0 : 1;
    else if (type === 'TickObject') this.ticks++;
    else if (type !== 'Immediate') this.resources++; // the harness waits with immediates
  }
}

type Adder = (this: EventEmitter, ...args: unknown[]) => EventEmitter;

/** Counts until `stop` is called. */
function startCounting(counts: Counts): { stop(): void } {
  const hook = createHook({ init: (_id, type, _trigger, resource) => counts.add(type, resource) }).enable();
  const prototype = EventEmitter.prototype as unknown as Record<(typeof ADDERS)[number], Adder>;
  const originals = ADDERS.map((name) => [name, prototype[name]] as const);
  for (const [name, original] of originals) {
    prototype[name] = function counted(...args) {
      counts.listeners++;
      return original.apply(this, args);
    };
  }
  return {
    stop() {
      hook.disable();
      for (const [name, original] of originals) prototype[name] = original;
    },
  };
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sends a request, and waits for its response and for what follows it. */
async function exchange(connection: Connection, isAnswered: () => boolean): Promise<void> {
  connection.push(REQUEST);
  do await turn();
  while (!isAnswered());
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

/**
 * Serves requests with the listener. The number of turns of the loop until the upstream has answered differs, so the promises
 * of the harness are subtracted.
 */
export async function countsOf(listener: RequestListener): Promise<RequestCost> {
  let answered = 0;
  const server = createServer((req, res) => {
    res.once('finish', () => answered++);
    listener(req, res);
  });
  const connection = new Connection();
  server.emit('connection', connection);
  const samples: Counts[] = [];
  try {
    for (let sent = 1; sent <= WARM_UP + MEASURED; sent++) {
      const counts = new Counts();
      const counting = startCounting(counts);
      let turns = 0;
      await exchange(connection, () => (turns++, answered === sent));
      counting.stop();
      counts.promises -= PROMISES_PER_TURN * turns;
      if (sent > WARM_UP) samples.push(counts);
    }
  } finally {
    connection.destroy();
    server.close();
  }
  const of = (name: keyof RequestCost): number => median(samples.map((counts) => counts[name]));
  return {
    promises: of('promises'),
    timers: of('timers'),
    ticks: of('ticks'),
    resources: of('resources'),
    listeners: of('listeners'),
  };
}

/** `turn` creates one, and awaiting it another. */
const PROMISES_PER_TURN = 2;

/** What the listener costs beyond another one. */
export async function costOf(listener: RequestListener, beyond: RequestListener): Promise<RequestCost> {
  const [cost, floor] = [await countsOf(listener), await countsOf(beyond)];
  return {
    promises: cost.promises - floor.promises,
    timers: cost.timers - floor.timers,
    ticks: cost.ticks - floor.ticks,
    resources: cost.resources - floor.resources,
    listeners: cost.listeners - floor.listeners,
  };
}
