/** Hundreds of random things done to the connections of an instance, against what must always hold. */
import type { Client } from 'undici';
import { Connections } from '../../src/routing/forwarding/connections.js';
import { LinkedStack, type StackMember } from '../../src/routing/forwarding/linked-stack.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import fc from '../support/fast-check.js';
import { FakeClient } from '../support/fake-client.js';
import { RecordedCall } from '../support/upstream-calls.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A client that reports to the model before it takes a request. */
class WatchedClient extends FakeClient {
  readonly #model: Model;

  constructor(model: Model) {
    super();
    this.#model = model;
  }

  override dispatch(...args: Parameters<FakeClient['dispatch']>): boolean {
    this.#model.taken(this);
    return super.dispatch(...args);
  }
}

class Model {
  readonly clock = new FakeClock();
  readonly clients: WatchedClient[] = [];
  readonly calls: RecordedCall[] = [];
  readonly withdrawn = new Set<RecordedCall>();
  readonly connections: Connections;
  readonly #maxConnections: number;
  /** The clients that are free, the one used last at the end. */
  #idle: WatchedClient[] = [];
  #draining: WatchedClient | undefined;
  #step = { end: -Infinity, ceiling: 0 };
  #hasLost = false;

  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections;
    this.connections = new Connections({
      createClient: () => this.#create(),
      maxConnections,
      onDisconnect: () => undefined,
      clock: this.clock,
    });
  }

  get alive(): WatchedClient[] {
    return this.clients.filter(({ destroyed }) => !destroyed);
  }

  get waiting(): RecordedCall[] {
    return this.calls.filter((call) => call.place !== undefined);
  }

  /** The connection used last is taken first, and a new one only if none is free. */
  taken(client: WatchedClient): void {
    if (client === this.#draining) return;
    expect(this.#idle.pop()).toBe(client.sent.length === 0 ? undefined : client);
  }

  send(): void {
    const call = new RecordedCall();
    this.calls.push(call);
    this.connections.send(call, { path: String(this.calls.length - 1), method: 'GET' });
  }

  drain(client: WatchedClient): void {
    this.#draining = client;
    client.drain();
    this.#draining = undefined;
    if (!client.isBusy && !client.destroyed) this.#idle.push(client);
  }

  lose(client: WatchedClient): void {
    this.#hasLost = true;
    this.#idle = this.#idle.filter((other) => other !== client);
    client.lose();
  }

  refuse(client: WatchedClient): void {
    this.#hasLost = true;
    client.refuse();
  }

  withdraw(call: RecordedCall): void {
    expect(call.place!.leave()).toBe(true);
    call.place = undefined;
    this.withdrawn.add(call);
  }

  async pass(ms: number): Promise<void> {
    this.clock.tick(ms);
    for (let i = 0; i < 3; i++) await turn();
  }

  check(): void {
    expect(this.alive.length).toBeLessThanOrEqual(this.#maxConnections);
    const sent = this.clients.flatMap((client) => client.sent);
    const unique = new Set(sent);
    expect(unique.size).toBe(sent.length); // none is sent twice
    if (this.waiting.length > 0) expect(this.#idle).toEqual([]);
    const lost = this.calls.filter((call, index) => {
      const isSent = unique.has(String(index));
      const isRefused = !isSent && call.ends.length === 1;
      const places = [isSent, isRefused, call.place !== undefined, this.withdrawn.has(call)];
      return call.ends.length > 1 || places.filter(Boolean).length !== 1;
    });
    expect(lost).toEqual([]);
  }

  /** Every request has ended once, except those that left. */
  expectEnds(): void {
    expect(this.calls.map(({ ends }) => ends.length)).toEqual(
      this.calls.map((call) => (this.withdrawn.has(call) ? 0 : 1)),
    );
  }

  /** The number of connections at most doubles per step, as long as none is lost and replaced. */
  #create(): Client {
    const alive = this.alive.length;
    const now = this.clock.now();
    if (now >= this.#step.end) this.#step = { end: now + 10, ceiling: alive + Math.max(16, alive) };
    if (!this.#hasLost) expect(alive).toBeLessThan(this.#step.ceiling);
    const client = new WatchedClient(this);
    this.clients.push(client);
    return client as unknown as Client;
  }
}

const at = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

const isConnecting = (client: FakeClient): boolean => client.isBusy && !client.stats.connected;
const hasAnswered = (client: FakeClient): boolean => client.isBusy && !client.isRunning && client.stats.connected;

const ACTIONS: Record<string, (model: Model, index: number) => void | Promise<void>> = {
  send: (model) => model.send(),
  burst: (model, index) => {
    for (let i = 0; i < index % 60; i++) model.send();
  },
  connect: (model, index) => at(model.alive.filter(isConnecting), index)?.connect(),
  connectAll: (model) => {
    for (const client of model.alive.filter(isConnecting)) client.connect();
  },
  respond: (model, index) =>
    at(
      model.alive.filter((client) => client.isRunning),
      index,
    )?.respond(),
  drain: (model, index) => {
    const client = at(model.alive.filter(hasAnswered), index);
    if (client !== undefined) model.drain(client);
  },
  finishAll: (model) => {
    for (const client of model.alive.filter((one) => one.isRunning)) {
      client.respond();
      model.drain(client);
    }
  },
  lose: (model, index) => {
    const client = at(
      model.alive.filter(({ stats }) => stats.connected),
      index,
    );
    if (client !== undefined) model.lose(client);
  },
  refuse: (model, index) => {
    const client = at(model.alive.filter(isConnecting), index);
    if (client !== undefined) model.refuse(client);
  },
  withdraw: (model, index) => {
    const call = at(model.waiting, index);
    if (call !== undefined) model.withdraw(call);
  },
  pass: (model, index) => model.pass(index % 15),
};

/** Every client connects, answers and becomes free until nothing is left to do. */
async function settle(model: Model): Promise<void> {
  const rounds = model.calls.length + 10;
  for (let round = 0; round < rounds && model.alive.some(({ isBusy }) => isBusy); round++) {
    await ACTIONS.connectAll!(model, 0);
    await ACTIONS.finishAll!(model, 0);
    for (const client of model.alive.filter(hasAnswered)) model.drain(client);
    await model.pass(10);
  }
}

const steps = (names: readonly string[]) =>
  fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(1000)), { minLength: 5, maxLength: 60 });

async function run(maxConnections: number, actions: ReadonlyArray<readonly [string, number]>): Promise<Model> {
  const model = new Model(maxConnections);
  for (const [name, index] of actions) {
    await ACTIONS[name]!(model, index);
    await turn();
    model.check();
  }
  return model;
}

test('no request is lost or sent twice while connections open, end and fail', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 80 }), steps(Object.keys(ACTIONS)), async (maxConnections, actions) => {
      const model = await run(maxConnections, actions);
      await settle(model);
      model.check();
      model.expectEnds();
      await model.connections.close();
      expect([model.alive, model.clock.pendingTimers]).toEqual([[], 0]);
    }),
    { numRuns: 100 },
  );
});

test('the number of connections at most doubles per step', async () => {
  const names = ['burst', 'send', 'connectAll', 'respond', 'drain', 'finishAll', 'withdraw', 'pass'];
  await fc.assert(
    fc.asyncProperty(steps(names), async (actions) => {
      const model = await run(256, actions);
      await model.connections.destroy();
      model.check();
    }),
    { numRuns: 100 },
  );
});

test('destroyed at any moment, every request has ended exactly once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 80 }), steps(Object.keys(ACTIONS)), async (maxConnections, actions) => {
      const model = await run(maxConnections, actions);
      const closed = model.connections.close();
      await model.connections.destroy();
      await closed;
      model.expectEnds();
      expect([model.alive, model.clock.pendingTimers]).toEqual([[], 0]);
    }),
    { numRuns: 100 },
  );
});

class Member implements StackMember<Member> {
  above: Member | undefined = undefined;
  below: Member | undefined = undefined;
  isStacked = false;
}

test('a stack whose members leave from any place is like an array', () => {
  const action = fc.tuple(fc.constantFrom('push', 'pop', 'remove'), fc.nat(100));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const stack = new LinkedStack<Member>();
      const members = Array.from({ length: 8 }, () => new Member());
      const model: Member[] = [];
      for (const [name, index] of actions) {
        const member = at(members, index)!;
        if (name === 'pop') expect(stack.pop()).toBe(model.pop());
        else if (name === 'remove') {
          stack.remove(member);
          if (model.includes(member)) model.splice(model.indexOf(member), 1);
        } else if (!model.includes(member)) {
          stack.push(member);
          model.push(member);
        }
        expect(members.map(({ isStacked }) => isStacked)).toEqual(members.map((one) => model.includes(one)));
      }
      while (model.length > 0) expect(stack.pop()).toBe(model.pop());
      expect(stack.pop()).toBeUndefined();
    }),
  );
});
