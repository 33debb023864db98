/** Instances are killed, frozen, restarted and fall ill under load; no request may notice. */
import { Agent, request } from 'node:http';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { startInstance, type InstanceProcess } from '../support/instance-process.js';
import { createRig, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

let rig: Rig;
let instances: InstanceProcess[];
let proxy: ProxyBalanced;
let load: Load;

/** A number of clients. Each sends one request after the other until it is stopped. */
class Load {
  readonly statuses = new Map<string, number>();
  requests = 0;
  #isRunning = true;
  readonly #clients: Promise<void>[];
  readonly #agent = new Agent({ keepAlive: true });

  constructor(port: number, clients: number, method = 'GET') {
    this.#clients = Array.from({ length: clients }, (_, i) => this.#client(port, i % 4 === 0 ? '/slow' : '/', method));
  }

  /** Settles when this many more requests were answered. */
  async more(count: number): Promise<void> {
    const goal = this.requests + count;
    await until(() => this.requests >= goal, 'the load came to a standstill');
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #client(port: number, path: string, method: string): Promise<void> {
    while (this.#isRunning) {
      const outcome = await new Promise<string>((resolve) => {
        const body = method === 'POST' ? 'x'.repeat(100) : undefined;
        const req = request({ host: '127.0.0.1', port, path, method, agent: this.#agent }, (res) => {
          res.resume();
          res.once('end', () => resolve(String(res.statusCode)));
          res.once('error', (error) => resolve(error.message));
        });
        req.once('error', (error) => resolve(error.message));
        req.end(body);
      });
      this.requests++;
      this.statuses.set(outcome, (this.statuses.get(outcome) ?? 0) + 1);
    }
  }
}

const CLIENTS = 12;

async function run(options: Partial<ProxyBalancedOptions> = {}, method = 'GET'): Promise<void> {
  proxy = proxyBalanced({ targets: instances.map(({ url }) => url), ...options });
  load = new Load(await rig.serve(proxy), CLIENTS, method);
  await load.more(200);
}

const statsOf = (instance: InstanceProcess) =>
  proxy.router.getRoutingStats()['upstream']!.instances.find(({ port }) => port === instance.port)!;
const stateOf = (instance: InstanceProcess): string => statsOf(instance).state;

beforeEach(async () => {
  rig = createRig();
  instances = await Promise.all([startInstance(), startInstance(), startInstance()]);
});
afterEach(async () => {
  await load.stop();
  await rig.close();
  for (const instance of instances) await instance.close();
});

test.each(['p2c-ewma', 'round-robin', 'least-connections'] as const)(
  '%s: one is killed: nobody notices, and it gets next to nothing any more',
  async (algorithm) => {
    await run({ algorithm });
    const killed = instances[0]!;
    killed.signal('SIGKILL');
    await killed.exited;
    const before = statsOf(killed).requests;
    await until(() => ['circuit-open', 'probing'].includes(stateOf(killed)), 'the kill was not noticed');
    await load.more(600);
    expect(statsOf(killed).requests - before).toBeLessThan(60);
    await load.stop();
    expect([...load.statuses.keys()]).toEqual(['200']);
  },
);

test('an instance without traffic is killed: the proxy notices it by its idle connections', async () => {
  await run();
  await load.stop();
  const [killed] = instances as [InstanceProcess];
  const before = statsOf(killed).requests;
  killed.signal('SIGKILL');
  await until(() => stateOf(killed) === 'circuit-open', 'the kill was not noticed');
  expect(statsOf(killed).requests).toBe(before);
});

test.each(['p2c-ewma', 'round-robin'] as const)(
  '%s: one is frozen: who waits for it is served elsewhere',
  async (algorithm) => {
    await run({ algorithm });
    const frozen = instances[1]!;
    frozen.signal('SIGSTOP');
    await until(() => stateOf(frozen) === 'stalled');
    await load.more(300);
    await load.stop();
    expect([...load.statuses.keys()]).toEqual(['200']);
  },
);

test('an instance that is killed and restarted at its address is used again', async () => {
  await run({ circuitBreaker: { openDuration: 100 } });
  const [first] = instances as [InstanceProcess];
  first.signal('SIGKILL');
  await first.exited;
  await load.more(100);
  instances.push(await startInstance({ port: first.port }));
  await until(() => stateOf(first) === 'usable');
  await load.more(100);
  await load.stop();
  expect([...load.statuses.keys()]).toEqual(['200']);
});

test('one answers nothing but 500: it is asked elsewhere, and it is ejected', async () => {
  const sick = await startInstance({ sick: true });
  instances.push(sick);
  // Room for a retry of each client: with an empty budget, the response of the failing instance goes out at once.
  await run({ algorithm: 'round-robin', retryBudget: { min: CLIENTS } });
  await load.more(300);
  await load.stop();
  expect([...load.statuses.keys()]).toEqual(['200']);
  expect(stateOf(sick)).toBe('ejected');
});

test('all are replaced one after the other, under POSTs: drained, none of them lost', async () => {
  await run({}, 'POST');
  for (const old of [...instances]) {
    const replacement = await startInstance();
    instances.push(replacement);
    proxy.router.addTarget('upstream', replacement.port);
    await proxy.router.drain(old.port);
    old.signal('SIGTERM');
    await old.exited;
    proxy.router.removeTarget('upstream', old.port);
    await load.more(50);
  }
  await load.stop();
  expect([...load.statuses.keys()]).toEqual(['200']);
});
