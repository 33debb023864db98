/**
 * The requirements on every transport between cache coordinators, as cases that users can run on their own transports.
 */
import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import type { Awaitable } from '../caching/cache-layer.js';
import type { CoordinationMessage } from '../caching/coordination/messages.js';
import type { CoordinationReceiver, CoordinatorTransport } from '../caching/coordination/transport.js';
import type { ConformanceCase } from './conformance-case.js';

/** The transports under test. */
export interface TransportFixture {
  /** Two or more transports that reach each other once their receivers are started. */
  readonly transports: readonly CoordinatorTransport[];
  /** After `start` was called on each: connects them to each other, and settles when they can receive messages. */
  readonly connect: () => Awaitable<void>;
  readonly close: () => Awaitable<void>;
}

class Recorder implements CoordinationReceiver {
  readonly serviceId: string;
  readonly heard: CoordinationMessage[] = [];
  readonly confirmed: string[] = [];
  failures = 0;
  #changed: () => void = () => undefined;

  constructor(serviceId: string) {
    this.serviceId = serviceId;
  }

  async receive(messages: readonly CoordinationMessage[]): Promise<void> {
    if (this.failures > 0) {
      this.failures--;
      throw new Error('the receiver fails');
    }
    this.heard.push(...messages);
    this.#changed();
    return Promise.resolve();
  }

  delivered(_peer: string, messages: readonly CoordinationMessage[]): void {
    this.confirmed.push(...messages.map(({ name }) => name));
  }

  compare(): { digest: number[]; messages: CoordinationMessage[]; next: number } {
    return { digest: [], messages: [], next: 0 };
  }

  everything(): CoordinationMessage {
    return { kind: 'pattern', name: '*', origin: `${this.serviceId}#1`, stamp: { time: 1, count: 0 } };
  }

  /** Settles when the name was received. */
  async hears(name: string): Promise<void> {
    while (!this.heard.some((message) => message.name === name)) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }
}

const message = (name: string, rest: Partial<CoordinationMessage> = {}): CoordinationMessage => ({
  kind: 'key',
  name,
  origin: '0#1',
  stamp: { time: 5, count: 0 },
  ...rest,
});

type Check = (transports: readonly CoordinatorTransport[], recorders: readonly Recorder[]) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  'delivers to all others, and not to the sender': async ([first], recorders) => {
    first!.send([message('a')]);
    await Promise.all(recorders.slice(1).map((recorder) => recorder.hears('a')));
    await first!.flush();
    deepStrictEqual(recorders[0]!.heard, []);
    strictEqual(first!.pending, 0);
  },
  'reports a confirmation, and not before it happened': async ([first], [own]) => {
    first!.send([message('a')]);
    deepStrictEqual(own!.confirmed, []);
    await first!.flush();
    deepStrictEqual([...new Set(own!.confirmed)], ['a']);
  },
  'delivers whole messages, in order': async ([first], [, second]) => {
    const messages = [
      message('k', { value: { data: Buffer.from('ü').toString('base64'), format: 0 } }),
      message('p*', { kind: 'pattern', stamp: { time: 6, count: 2 } }),
      message('t', { kind: 'tag', soft: true }),
    ];
    first!.send(messages);
    await second!.hears('t');
    deepStrictEqual(second!.heard, messages);
  },
  'delivers a thousand messages without loss': async ([first], [, second]) => {
    for (let i = 0; i < 1000; i++) first!.send([message(`k:${i}`)]);
    first!.send([message('last')]);
    await second!.hears('last');
    strictEqual(new Set(second!.heard.map((one) => one.name)).size, 1001);
  },
  'delivers at least the last of several messages about one name': async ([first], [, second]) => {
    for (let i = 0; i < 10; i++) first!.send([message('k', { stamp: { time: i, count: 0 } })]);
    first!.send([message('last')]);
    await second!.hears('last');
    strictEqual(second!.heard.filter((one) => one.name === 'k').at(-1)?.stamp.time, 9);
  },
  'both ways': async ([first, second], recorders) => {
    first!.send([message('from first')]);
    second!.send([message('from second', { origin: '1#1' })]);
    await Promise.all([recorders[1]!.hears('from first'), recorders[0]!.hears('from second')]);
  },
  'repeats what a receiver failed to apply': async ([first], [, second]) => {
    second!.failures = 1;
    first!.send([message('a')]);
    await second!.hears('a');
  },
  'can be closed twice, and closing ends waiting': async ([first]) => {
    first!.send([message('a')]);
    await first!.close();
    await first!.close();
    await first!.flush();
  },
};

/**
 * The suite. Cases are independent of each other.
 *
 * @example
 * import { test } from 'node:test';
 * import { coordinatorTransportCases, type TransportFixture } from '@tooloo/resilience/testing';
 *
 * export function testTransport(create: () => TransportFixture): void {
 *   for (const { name, run } of coordinatorTransportCases) test(name, () => run(create));
 * }
 */
export const coordinatorTransportCases: ReadonlyArray<ConformanceCase<TransportFixture>> = Object.entries(CHECKS).map(
  ([name, check]) => ({
    name,
    run: async (create) => {
      const { transports, connect, close } = await create();
      try {
        const recorders = transports.map((_one, i) => new Recorder(String(i)));
        for (const [i, transport] of transports.entries()) await transport.start(recorders[i]!);
        await connect();
        await check(transports, recorders);
      } finally {
        await close();
      }
    },
  }),
);
