import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { dnsTargets, type ResolvedAddress } from '../../src/routing/sources/dns-targets.js';
import { EventStreamParser, type ServerSentEvent } from '../../src/routing/sources/event-stream-parser.js';
import { registryTargets } from '../../src/routing/sources/registry-targets.js';
import { staticTargets } from '../../src/routing/sources/static-targets.js';
import type { DiscoveredTarget } from '../../src/routing/sources/target-source.js';
import { FakeClock, targetSourceCases, targetSourceChangeCases, type TargetSourceFixture } from '../../src/testing.js';
import { until } from '../support/eventually.js';

interface Instance {
  service: string;
  id: string;
  host: string;
  port: number;
  state: string;
  weight?: number;
  zone?: string;
}

/** A registry as the orchestrator's: a stream of whole snapshots. */
class Registry {
  readonly asked: IncomingMessage[] = [];
  instances: Instance[] = [];
  #server: Server | undefined;
  #streams = new Set<ServerResponse>();
  #version = 0;
  answer = (_req: IncomingMessage, res: ServerResponse): void => this.#stream(res);

  async start(port = 0): Promise<number> {
    this.#server = createServer((req, res) => {
      this.asked.push(req);
      this.answer(req, res);
    });
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  change(instances: Instance[]): void {
    this.instances = instances;
    this.#version++;
    for (const res of this.#streams) res.write(this.#event('change'));
  }

  async stop(): Promise<void> {
    for (const res of this.#streams) res.destroy();
    this.#streams.clear();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  #stream(res: ServerResponse): void {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write(`retry: 500\n${this.#event('snapshot')}`);
    this.#streams.add(res);
    res.once('close', () => this.#streams.delete(res));
  }

  #event(name: string): string {
    return `id: ${this.#version}\nevent: ${name}\ndata: ${JSON.stringify({ instances: this.instances })}\n\n`;
  }
}

const ready = (port: number, more: Partial<Instance> = {}): Instance => ({
  service: 'service',
  id: `service-${port}`,
  host: '127.0.0.1',
  port,
  state: 'ready',
  ...more,
});

describe('staticTargets conforms', () => {
  for (const { name, run } of targetSourceCases) {
    test(name, () => run(() => ({ source: staticTargets([{ port: 1 }, 'http://127.0.0.1:2']), ports: [1, 2] })));
  }
});

describe('dnsTargets conforms', () => {
  const create = (): TargetSourceFixture => {
    const clock = new FakeClock();
    let addresses: ResolvedAddress[] = [1, 2].map((port) => ({ host: '127.0.0.1', port }));
    return {
      source: dnsTargets('name.example:80', { clock, resolve: () => Promise.resolve(addresses) }),
      ports: [1, 2],
      change: async (ports) => {
        addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
        await clock.advance(11_000);
      },
    };
  };
  for (const { name, run } of [...targetSourceCases, ...targetSourceChangeCases]) test(name, () => run(create));
});

describe('registryTargets conforms', () => {
  const create = async (): Promise<TargetSourceFixture> => {
    const registry = new Registry();
    registry.instances = [ready(1), ready(2), ready(3, { service: 'another' })];
    const port = await registry.start();
    return {
      source: registryTargets(`http://127.0.0.1:${port}`),
      ports: [1, 2],
      change: (ports) => registry.change(ports.map((one) => ready(one))),
      close: () => registry.stop(),
    };
  };
  for (const { name, run } of [...targetSourceCases, ...targetSourceChangeCases]) test(name, () => run(create));
});

describe('dnsTargets', () => {
  test('resolves names with the machine’s resolver', async () => {
    const source = dnsTargets('localhost', { port: 3011 });
    const targets = await new Promise<readonly DiscoveredTarget[]>((resolve) => source.subscribe('s', resolve));
    expect(targets).toContainEqual(expect.objectContaining({ host: '127.0.0.1', port: 3011 }));
    await source.close();
  });

  test('keeps its targets while the name does not resolve, and reports the error', async () => {
    const clock = new FakeClock();
    const errors: string[] = [];
    const told: number[] = [];
    const answers: Array<() => Promise<ResolvedAddress[]>> = [
      () => Promise.resolve([{ host: '10.0.0.1' }]),
      () => Promise.reject(new Error('ENOTFOUND')),
      () => Promise.resolve([]),
      () => Promise.resolve([{ host: '10.0.0.2' }, { host: '10.0.0.3' }]),
    ];
    const source = dnsTargets('https://a.example', {
      port: 8443,
      clock,
      interval: 1000,
      random: () => 0.5,
      resolve: () => answers.shift()!(),
      onError: ({ message }) => errors.push(message),
    });
    source.subscribe('s', (targets) => {
      told.push(targets.length);
      expect(targets[0]).toMatchObject({ port: 8443, protocol: 'https' });
    });
    await clock.advance(3500);
    expect(told).toEqual([1, 2]);
    expect(errors).toEqual(['ENOTFOUND']);
    await source.close();
    expect(clock.pendingTimers).toBe(0);
  });

  test('wrong names and options fail at once', () => {
    expect(() => dnsTargets('a.example')).toThrow(/'port' is missing/);
    expect(() => dnsTargets('a b')).toThrow(/expected a URL/);
    expect(() => dnsTargets('a.example', { port: 1, type: 'AAAA' as 'A' })).toThrow(/type/);
  });
});

describe('registryTargets', () => {
  let registry: Registry;
  beforeEach(() => {
    registry = new Registry();
  });
  afterEach(() => registry.stop());

  test('gives each service its own targets, ready and draining only, with weight and zone', async () => {
    registry.instances = [
      ready(1, { weight: 2, zone: 'z' }),
      ready(2, { state: 'draining' }),
      ready(3, { state: 'starting' }),
      ready(4, { state: 'stopped' }),
      ready(5, { service: 'another' }),
    ];
    const source = registryTargets(`http://127.0.0.1:${await registry.start()}`, { token: 'secret' });
    const told: Array<readonly DiscoveredTarget[]> = [];
    source.subscribe('service', (targets) => told.push(targets));
    source.subscribe('another', (targets) => told.push(targets));
    await until(() => told.length === 2);
    expect(told[0]).toEqual([
      { host: '127.0.0.1', port: 1, weight: 2, zone: 'z', draining: false },
      { host: '127.0.0.1', port: 2, weight: undefined, zone: undefined, draining: true },
    ]);
    expect(told[1]).toEqual([expect.objectContaining({ port: 5 })]);
    expect(registry.asked).toHaveLength(1); // one stream for all services
    expect(registry.asked[0]).toMatchObject({
      url: '/api/v1/system/instances',
      headers: { accept: 'text/event-stream', authorization: 'Bearer secret' },
    });
    await source.close();
  });

  test('takes only the services that the option `service` names', async () => {
    registry.instances = [ready(1, { service: 'a' }), ready(2, { service: 'b' }), ready(3, { service: 'c' })];
    const source = registryTargets(`http://127.0.0.1:${await registry.start()}`, { service: ['a', 'c'] });
    const targets = await new Promise<readonly DiscoveredTarget[]>((resolve) => source.subscribe('s', resolve));
    expect(targets).toHaveLength(2);
    await source.close();
  });

  test('survives a restart: keeps its targets, reconnects with Last-Event-ID, follows later changes', async () => {
    const clock = new FakeClock();
    registry.instances = [ready(1), ready(2)];
    const port = await registry.start();
    const errors: string[] = [];
    const source = registryTargets(`http://127.0.0.1:${port}`, {
      clock,
      onError: ({ message }) => errors.push(message),
    });
    const told: number[][] = [];
    source.subscribe('service', (targets) => told.push(targets.map((target) => ('port' in target ? target.port! : 0))));
    await until(() => told.length === 1);
    registry.change([ready(1), ready(3)]);
    await until(() => told.length === 2);
    await registry.stop();
    await until(() => errors.length === 1);
    clock.tick(100); // refused
    await until(() => errors.length === 2);
    expect(errors[1]).toMatch(/ECONNREFUSED/);
    const restarted = new Registry();
    await restarted.start(port);
    clock.tick(200);
    await until(() => restarted.asked.length === 1);
    expect(restarted.asked[0]!.headers['last-event-id']).toBe('1');
    restarted.change([ready(4)]); // its first word, an empty set, was not believed
    await until(() => told.length === 3);
    expect(told).toEqual([[1, 2], [1, 3], [4]]);
    restarted.change([]);
    await until(() => told.length === 4);
    expect(told[3]).toEqual([]);
    await source.close();
    expect(clock.pendingTimers).toBe(0);
    await restarted.stop();
  });

  test.each([
    ['another status', (res: ServerResponse) => res.writeHead(503).end(), /status 503/],
    ['another type', (res: ServerResponse) => res.writeHead(200, { 'Content-Type': 'text/html' }).end(), /text\/html/],
    [
      'no JSON',
      (res: ServerResponse) =>
        res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('event: snapshot\ndata: {\n\n'),
      /JSON/,
    ],
  ])('an answer of %s is an error, and tried again', async (_name, answer, message) => {
    const clock = new FakeClock();
    registry.answer = (_req, res) => void answer(res);
    const errors: string[] = [];
    const port = await registry.start();
    const source = registryTargets(`http://127.0.0.1:${port}`, {
      clock,
      onError: ({ message: text }) => errors.push(text),
    });
    source.subscribe('service', () => errors.push('told'));
    await until(() => errors.length === 1);
    expect(errors[0]).toMatch(message);
    clock.tick(10_000);
    await until(() => errors.length === 2);
    await source.close();
  });

  test.each([
    ['without a port', '{"service":"s","state":"ready","host":"h"}'],
    ['without a service', '{"state":"ready"}'],
  ])('an instance %s is reported, and costs none of the others', async (_name, wrong) => {
    const good = '{"service":"s","state":"ready","host":"h","port":1}';
    registry.answer = (_req, res) =>
      void res
        .writeHead(200, { 'Content-Type': 'text/event-stream' })
        .write(`event: snapshot\ndata: {"instances":[${wrong},${good}]}\n\n`);
    const errors: string[] = [];
    const told: unknown[] = [];
    const source = registryTargets(`http://127.0.0.1:${await registry.start()}`, {
      onError: ({ message }) => errors.push(message),
    });
    source.subscribe('s', (targets) => told.push(...targets));
    await until(() => told.length > 0);
    expect(told).toMatchObject([{ host: 'h', port: 1 }]);
    expect(errors).toHaveLength(1);
    await source.close();
  });

  test('a stream that falls silent is given up and opened anew', async () => {
    const clock = new FakeClock();
    registry.instances = [ready(1)];
    const source = registryTargets(`http://127.0.0.1:${await registry.start()}`, { clock });
    let told = 0;
    source.subscribe('service', () => told++);
    await until(() => told === 1);
    clock.tick(45_000);
    clock.tick(5000);
    await until(() => told === 2);
    expect(registry.asked).toHaveLength(2);
    await source.close();
  });

  test('wrong addresses fail at once', () => {
    expect(() => registryTargets('localhost:3100')).toThrow(/expected a URL/);
    expect(() => registryTargets('http://h', { services: [] } as object)).toThrow(/did you mean 'service'/);
  });
});

test('events are read as the standard says, however they are cut', () => {
  const text =
    '\uFEFF: hi\r\nretry: 10\nid: 7\ndata: a\ndata:b\n\nevent: x\rdata\r\rdata: ünï\n\nid\n\nevent: only\n\n';
  for (let size = 1; size < 12; size++) {
    const events: ServerSentEvent[] = [];
    const parser = new EventStreamParser((event) => events.push(event));
    const bytes = Buffer.from(text.slice(1));
    for (let i = 0; i < bytes.length; i += size) parser.push(bytes.subarray(i, i + size));
    expect(events).toEqual([
      { event: 'message', data: 'a\nb' },
      { event: 'x', data: '' },
      { event: 'message', data: 'ünï' },
    ]);
    expect(parser).toMatchObject({ retry: 10, lastEventId: '' });
  }
});

test('an event without end is refused', () => {
  const parser = new EventStreamParser(() => undefined);
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  expect(() => {
    for (let i = 0; i < 20; i++) parser.push(chunk);
  }).toThrow(/too large/);
});
