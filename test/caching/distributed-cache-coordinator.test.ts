/** Coordinators over real HTTP: each invalidation reaches every cache, even after faults on the way. */
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { CacheInvalidationStrategies } from '../../src/caching/cache-invalidation-strategies.js';
import type { DistributedCacheCoordinatorOptions } from '../../src/caching/coordination/coordinator-options.js';
import { DistributedCacheCoordinator } from '../../src/caching/coordination/distributed-cache-coordinator.js';
import { HttpTransport, type HttpTransportOptions } from '../../src/caching/coordination/http-transport.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { compose } from '../../src/middleware/compose.js';
import { until } from '../support/eventually.js';

interface Service {
  readonly id: string;
  readonly cache: MultiLayerCacheManager;
  readonly coordinator: DistributedCacheCoordinator;
  readonly server: Server;
  readonly port: number;
}

const services: Service[] = [];

afterEach(async () => {
  for (const { cache, coordinator, server } of services.splice(0)) {
    coordinator.destroy();
    cache.destroy();
    server.closeAllConnections();
    server.close();
    if (server.listening) await once(server, 'close');
  }
});

type Options = DistributedCacheCoordinatorOptions & { http?: HttpTransportOptions };

async function start(id: string, { http, ...options }: Options = {}, port = 0): Promise<Service> {
  const cache = new MultiLayerCacheManager();
  const transport = http === undefined ? undefined : new HttpTransport(http);
  const coordinator = new DistributedCacheCoordinator(cache, id, { ...(transport && { transport }), ...options });
  const server = createServer(compose(coordinator.router)).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const service = { id, cache, coordinator, server, port: (server.address() as AddressInfo).port };
  services.push(service);
  return service;
}

function introduce(...all: Service[]): void {
  for (const one of all) {
    for (const other of all) if (other !== one) one.coordinator.registerPeer(other.id, '127.0.0.1', other.port);
  }
}

async function trio(
  options: (id: string) => Options = () => ({ secret: 'shared' }),
): Promise<[Service, Service, Service]> {
  const all = [await start('a', options('a')), await start('b', options('b')), await start('c', options('c'))] as const;
  introduce(...all);
  return [...all];
}

async function post(port: number, path: string, body: string, headers: Record<string, string> = {}): Promise<number> {
  const req = request({ port, path, method: 'POST', host: '127.0.0.1', headers });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.resume();
  return res.statusCode ?? 0;
}

describe('publishing', () => {
  test('removes keys, patterns and tags from every cache', async () => {
    const [a, b, c] = await trio();
    for (const { cache } of [a, b, c]) {
      await cache.set('provider:1', 'old');
      await cache.set('provider:2', 'old');
      await cache.set('tagged', 'old', { tags: ['policy'] });
      await cache.set('user:1', 'old');
    }
    await a.coordinator.publishInvalidation('provider:1');
    expect(await a.cache.get('provider:1')).toBeUndefined();
    await b.coordinator.publishInvalidation('prov*:2');
    await c.coordinator.publishTagInvalidation('policy');
    await Promise.all([a, b, c].map(({ coordinator }) => coordinator.flush()));
    for (const { cache } of [a, b, c]) {
      expect(await cache.get('provider:1')).toBeUndefined();
      expect(await cache.get('provider:2')).toBeUndefined();
      expect(await cache.get('tagged')).toBeUndefined();
      expect(await cache.get('user:1')).toBe('old');
    }
    expect(a.coordinator.getCoordinationStatus()).toMatchObject({
      serviceId: 'a',
      peers: ['b', 'c'],
      pendingInvalidations: 0,
      peerStatus: { b: { state: 'up', delivered: 1, failures: 0 } },
      stats: { published: 1, received: 2 },
    });
  });

  test('reports the confirmations of each invalidation, its author, and how far each peer is behind', async () => {
    const [a, b, c] = await trio();
    await a.cache.set('k', 1);
    await a.coordinator.publishInvalidation('k');
    await a.coordinator.flush();
    expect(a.coordinator.recentDeliveries()).toMatchObject([
      { kind: 'key', name: 'k', peers: { b: expect.any(Number), c: expect.any(Number) } },
    ]);
    for (const { cache } of [a, b, c])
      expect(cache.recentInvalidations()).toMatchObject([{ name: 'k', by: expect.stringMatching(/^a#/) }]);
    expect(a.coordinator.getCoordinationStatus().coherence).toMatchObject({
      upToDate: 2,
      peers: 2,
      oldestPending: 0,
      delays: { count: 2 },
      lastCheck: undefined,
    });

    c.server.closeAllConnections();
    c.server.close();
    await once(c.server, 'close');
    await a.coordinator.publishTagInvalidation('red');
    await until(() => a.coordinator.getCoordinationStatus().peerStatus['c']!.state === 'down');
    await until(() => a.coordinator.recentDeliveries()[0]!.peers['b'] !== null);
    expect(a.coordinator.recentDeliveries(1)).toMatchObject([{ kind: 'tag', name: 'red', peers: { c: null } }]);
    const behind = a.coordinator.getCoordinationStatus().coherence;
    expect(behind).toMatchObject({ upToDate: 1, peers: 2 });
    expect(behind.oldestPending).toBeGreaterThan(0);
    expect((await a.coordinator.checkCoherence()).isCoherent).toBe(false);
    expect(a.coordinator.getCoordinationStatus().coherence.lastCheck).toMatchObject({ isCoherent: false });

    a.coordinator.unregisterPeer('c'); // the peer is removed for good
    expect(a.coordinator.getCoordinationStatus().coherence).toMatchObject({ upToDate: 1, peers: 1, oldestPending: 0 });
    expect(Object.keys(a.coordinator.recentDeliveries()[0]!.peers)).toEqual(['b']);
  });

  test('gives a value, of any kind that can be cloned, to all', async () => {
    const [a, b] = await trio();
    await a.coordinator.publishInvalidation('k', new Map([['x', new Date(5)]]));
    await a.coordinator.flush();
    expect(await b.cache.get('k')).toEqual(new Map([['x', new Date(5)]]));
    await b.cache.set('k', 'outdated');
    await a.coordinator.publishInvalidation('k', 'x'.repeat(500_000).split('').map(Math.random).join());
    await a.coordinator.flush();
    expect(await b.cache.get('k')).toBeUndefined(); // too large to travel: the invalidation did
  });

  test('reaches dependents and whoever listens', async () => {
    const [a, b] = await trio();
    b.cache.registerDependency('report', 'provider:*');
    await b.cache.set('report', 1);
    const heard = jest.fn();
    const handled = jest.fn();
    b.coordinator.subscribeToInvalidations('provider:*', heard);
    const end = b.coordinator.onRemoteInvalidation('provider:7', handled);
    const strategies = new CacheInvalidationStrategies(a.cache, { coordinator: a.coordinator });
    await strategies.broadcastInvalidation('provider:7', 'a');
    await a.coordinator.flush();
    end();
    await a.coordinator.publishInvalidation('provider:7');
    await a.coordinator.publishInvalidation('user:1');
    await a.coordinator.flush();
    expect(await b.cache.get('report')).toBeUndefined();
    expect(heard.mock.calls).toEqual([
      ['provider:7', 'a'],
      ['provider:7', 'a'],
    ]);
    expect(handled.mock.calls).toEqual([['provider:7', 'a']]);
  });

  test('a service that subscribes applies what it subscribed to, and tags', async () => {
    const [a, b] = await trio();
    const end = b.coordinator.subscribeToInvalidations('provider:*');
    await b.cache.set('provider:1', 1);
    await b.cache.set('user:1', 1, { tags: ['t'] });
    await a.coordinator.publishInvalidation('provider:1');
    await a.coordinator.publishInvalidation('user:1');
    await a.coordinator.flush();
    expect([await b.cache.get('provider:1'), await b.cache.get('user:1')]).toEqual([undefined, 1]);
    await a.coordinator.publishTagInvalidation('t');
    await a.coordinator.flush();
    expect(await b.cache.get('user:1')).toBeUndefined();
    end();
  });

  test('without peers it is an invalidation here', async () => {
    const { cache, coordinator } = await start('alone');
    await cache.set('k', 1);
    await coordinator.publishInvalidation('k', 2);
    expect(await cache.get('k')).toBe(2);
    await coordinator.publishInvalidation('k');
    expect(await cache.get('k')).toBeUndefined();
    expect(coordinator.getCoordinationStatus().pendingInvalidations).toBe(0);
  });
});

describe('clocks', () => {
  const hour = 3_600_000;
  test.each([
    ['an hour ahead', hour],
    ['an hour behind', -hour],
  ])('%s: no outdated value survives an invalidation', async (_how, skew) => {
    const [a, b] = await trio((id) => ({ secret: 's', clock: { now: () => Date.now() + (id === 'b' ? skew : 0) } }));
    for (let i = 0; i < 20; i++) {
      const [from, to] = i % 2 === 0 ? [a, b] : [b, a];
      await to.coordinator.publishInvalidation('k'); // its stamp is far ahead or far behind
      await to.cache.set('k', 'outdated');
      await from.coordinator.publishInvalidation('k');
      await from.coordinator.flush();
      expect(await to.cache.get('k')).toBeUndefined();
    }
  });

  test('not even if the later one comes from the clock that is behind, and its service missed the other', async () => {
    const ahead = await start('ahead', { secret: 's', clock: { now: () => Date.now() + hour } });
    const behind = await start('behind', { secret: 's', clock: { now: () => Date.now() - hour } });
    behind.coordinator.registerPeer('ahead', '127.0.0.1', ahead.port);
    await ahead.coordinator.publishInvalidation('k');
    await ahead.cache.set('k', 'outdated');
    await behind.coordinator.publishInvalidation('k');
    await behind.coordinator.flush();
    expect(await ahead.cache.get('k')).toBeUndefined();
  });

  test('the later of two values is in every cache once both were delivered, even if the clocks differ', async () => {
    const [a, b, c] = await trio((id) => ({
      secret: 's',
      clock: { now: () => Date.now() + (id === 'b' ? -hour : 0) },
    }));
    await a.coordinator.publishInvalidation('k', 'first');
    await a.coordinator.flush();
    await b.coordinator.publishInvalidation('k', 'second');
    await b.coordinator.flush();
    for (const { cache } of [a, b, c]) expect(await cache.get('k')).toBe('second');
  });
});

describe('conflicts', () => {
  async function conflict(options: DistributedCacheCoordinatorOptions): Promise<[unknown, unknown]> {
    const [a, b] = await trio((id) => ({
      secret: 's',
      ...options,
      clock: { now: () => (id === 'a' ? 2000 : 1000) },
    }));
    await Promise.all([a.coordinator.publishInvalidation('k', 'of a'), b.coordinator.publishInvalidation('k', 'of b')]);
    await Promise.all([a.coordinator.flush(), b.coordinator.flush()]);
    return [await a.cache.get('k'), await b.cache.get('k')];
  }

  test('the latest write wins', async () => {
    expect(await conflict({})).toEqual(['of a', 'of a']);
  });

  test('local wins', async () => {
    expect(await conflict({ conflictResolution: 'local-wins' })).toEqual(['of a', 'of b']);
  });

  test('the service of higher priority wins', async () => {
    expect(await conflict({ conflictResolution: 'service-priority', servicePriority: ['b', 'a'] })).toEqual([
      'of b',
      'of b',
    ]);
  });

  test('a function decides, and may make a third value', async () => {
    const both = await conflict({
      conflictResolution: (_key, local, remote) => ({
        ...local,
        value: [local.value, remote.value].sort().join(' and '),
      }),
    });
    expect(both).toEqual(['of a and of b', 'of a and of b']);
  });

  test('a function that fails leaves it to time', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const failing = (): never => {
      throw new Error('theirs');
    };
    expect(await conflict({ conflictResolution: failing })).toEqual(['of a', 'of a']);
    expect(warned).toHaveBeenCalled();
    warned.mockRestore();
  });

  test('can be asked directly', async () => {
    const { coordinator } = await start('a');
    const [older, newer] = [
      { timestamp: 1, value: 'x' },
      { timestamp: 2, value: 'y' },
    ];
    expect(coordinator.resolveConflict('k', older, newer)).toBe(newer);
    expect(coordinator.resolveConflict('k', newer, older)).toBe(newer);
  });
});

describe('accidents', () => {
  test('a peer that is away hears what it missed when it is back', async () => {
    const a = await start('a', { secret: 's' });
    const first = await start('b', { secret: 's' });
    introduce(a, first);
    first.coordinator.destroy();
    first.server.closeAllConnections();
    first.server.close();
    await once(first.server, 'close');
    for (let i = 0; i < 100; i++) await a.coordinator.publishInvalidation(`k:${i}`);
    const again = await start('b', { secret: 's' }, first.port);
    for (let i = 0; i < 100; i++) await again.cache.set(`k:${i}`, 'outdated');
    await a.coordinator.flush();
    expect(await again.cache.invalidatePattern('k:*')).toBe(0);
    expect(a.coordinator.getCoordinationStatus().peerStatus.b).toMatchObject({
      state: 'up',
      pending: 0,
      delivered: 100,
    });
  });

  test('what is kept for it is bounded: more becomes everything', async () => {
    const a = await start('a', { http: { secret: 's', maxPending: 50 } });
    const b = await start('b', { secret: 's' });
    b.server.close();
    await once(b.server, 'close');
    introduce(a, b);
    for (let i = 0; i < 500; i++) await a.coordinator.publishInvalidation(`k:${i}`);
    expect(a.coordinator.getCoordinationStatus().pendingInvalidations).toBeLessThanOrEqual(501);
    await b.cache.set('other', 1);
    b.server.listen(b.port, '127.0.0.1');
    await a.coordinator.flush();
    expect(await b.cache.get('other')).toBeUndefined();
  });

  test('does not wait for a peer that was unregistered; if the peer returns, it compares its state', async () => {
    const [a, b, c] = await trio();
    b.server.closeAllConnections();
    b.server.close();
    await once(b.server, 'close');
    await a.coordinator.publishInvalidation('k');
    a.coordinator.unregisterPeer('b');
    a.coordinator.unregisterPeer('nobody');
    await a.coordinator.flush();
    expect(a.coordinator.getCoordinationStatus()).toMatchObject({ peers: ['c'], pendingInvalidations: 0 });
    expect(await c.coordinator.checkCoherence()).toMatchObject({
      peers: { a: { missedHere: 0 }, b: { isReachable: false } },
    });
    b.server.listen(b.port, '127.0.0.1');
    await b.cache.set('k', 'outdated');
    expect(await b.coordinator.checkCoherence()).toMatchObject({ peers: { a: { missedHere: 1 } } });
    expect(await b.cache.get('k')).toBeUndefined();
  });

  test('coherence: what was never delivered is found and repaired, both ways', async () => {
    const a = await start('a', { secret: 's' });
    const b = await start('b', { secret: 's' });
    for (let i = 0; i < 1200; i++) await a.coordinator.publishInvalidation(`a:${i}`); // there is no peer yet
    await b.coordinator.publishInvalidation('b:1');
    introduce(a, b);
    await b.cache.set('a:7', 'outdated');
    await a.cache.set('b:1', 'outdated');
    const report = await b.coordinator.checkCoherence();
    expect(report).toMatchObject({
      isCoherent: false,
      peers: { a: { isReachable: true, missedHere: 1200, missedThere: 1 } },
    });
    await b.coordinator.flush();
    expect([await b.cache.get('a:7'), await a.cache.get('b:1')]).toEqual([undefined, undefined]);
    expect(await b.coordinator.checkCoherence()).toMatchObject({ isCoherent: true });
    expect(await a.coordinator.checkCoherence()).toMatchObject({ isCoherent: true });
    a.server.closeAllConnections();
    a.server.close();
    expect(await b.coordinator.checkCoherence()).toMatchObject({
      isCoherent: false,
      peers: { a: { isReachable: false } },
    });
  });

  test('a value older than an invalidation is not restored', async () => {
    const a = await start('a', { secret: 's' });
    const b = await start('b', { secret: 's', clock: { now: () => Date.now() + 1000 } });
    a.coordinator.registerPeer('b', '127.0.0.1', b.port);
    await b.coordinator.publishInvalidation('k:*');
    await b.coordinator.publishInvalidation('l');
    await a.coordinator.publishInvalidation('k:1', 'older');
    await a.coordinator.publishInvalidation('l', 'older');
    await a.coordinator.flush();
    expect([await b.cache.get('k:1'), await b.cache.get('l')]).toEqual([undefined, undefined]);
  });
});

describe('the router', () => {
  const headers = {
    'x-cache-origin': 'evil',
    'x-cache-session': 's',
    'x-cache-sequence': '1',
    'x-cache-challenge': 'c',
    'x-cache-signature': 'f'.repeat(64),
  };

  test('rejects messages that are not signed with the secret, and passes on requests for other paths', async () => {
    const [, b] = await trio();
    const stranger = await start('stranger', { secret: 'another' });
    stranger.coordinator.registerPeer('b', '127.0.0.1', b.port);
    await b.cache.set('k', 1);
    await stranger.coordinator.publishInvalidation('k');
    expect(await post(b.port, '/cache-coordination/messages', '[]')).toBe(403);
    expect(await post(b.port, '/cache-coordination/messages', '[]', headers)).toBe(403);
    expect(await post(b.port, '/elsewhere', '')).toBe(404);
    expect(await b.cache.get('k')).toBe(1);
    expect(stranger.coordinator.getCoordinationStatus().peerStatus.b?.state).not.toBe('up');
  });

  test('without a secret it is closed to everybody, also to this machine', async () => {
    const [a, b] = await trio(() => ({}));
    await b.cache.set('k', 1);
    await a.coordinator.publishInvalidation('k');
    for (const route of ['messages', 'digest'])
      for (const fields of [{}, headers, { ...headers, 'x-cache-signature': 'none' }])
        expect(await post(b.port, `/cache-coordination/${route}`, '[]', fields)).toBe(403);
    expect((await a.coordinator.checkCoherence()).peers.b?.isReachable).toBe(false);
    expect(await b.cache.get('k')).toBe(1);
  });

  test("a secret is required from this machine too, even if 'control' is 'loopback'", async () => {
    const b = await start('b', { secret: 's', control: 'loopback' });
    expect(await post(b.port, '/cache-coordination/messages', '[]', headers)).toBe(403);
  });

  test("with control: 'loopback' it believes this machine, but not through a proxy", async () => {
    const [a, b] = await trio(() => ({ control: 'loopback' }));
    await b.cache.set('k', 1);
    await a.coordinator.publishInvalidation('k');
    await a.coordinator.flush();
    expect(await b.cache.get('k')).toBeUndefined();
    expect(await post(b.port, '/cache-coordination/messages', '[]', { ...headers, 'x-forwarded-for': '1.2.3.4' })).toBe(
      403,
    );
    expect(await post(b.port, '/cache-coordination/messages', '[]', headers)).toBe(409);
    expect(await post(b.port, '/cache-coordination/messages', 'x'.repeat(2_000_000), headers)).toBe(413);
  });

  test('a recorded batch says nothing when it is played again, not even after a restart', async () => {
    const recorded: { body: Buffer; headers: Record<string, string> }[] = [];
    const b = await start('b', { secret: 's' });
    const tap = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const body = Buffer.concat(chunks);
        recorded.push({ body, headers: req.headers as Record<string, string> });
        const onward = request({ port: b.port, path: req.url, method: 'POST', headers: req.headers }, (answer) => {
          res.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(res);
        });
        onward.end(body);
      });
    }).listen(0, '127.0.0.1');
    await once(tap, 'listening');
    const a = await start('a', { secret: 's' });
    a.coordinator.registerPeer('b', '127.0.0.1', (tap.address() as AddressInfo).port);
    await a.coordinator.publishInvalidation('k', 'first');
    await a.coordinator.flush();
    await b.cache.set('k', 'newer');
    const [first, second] = recorded as [(typeof recorded)[0], (typeof recorded)[0]];
    expect(recorded).toHaveLength(2); // one to learn the challenge
    expect(await post(b.port, '/cache-coordination/messages', second.body.toString(), second.headers)).toBe(204);
    expect(await b.cache.get('k')).toBe('newer');
    expect(await post(b.port, '/cache-coordination/messages', first.body.toString(), first.headers)).toBe(409);
    const restarted = await start('b', { secret: 's' });
    expect(await post(restarted.port, '/cache-coordination/messages', second.body.toString(), second.headers)).toBe(
      409,
    );
    expect(await restarted.cache.get('k')).toBeUndefined();
    const altered = second.body.toString().replace('"k"', '"j"');
    expect(await post(b.port, '/cache-coordination/messages', altered, second.headers)).toBe(403);
    tap.closeAllConnections();
    tap.close();
    await once(tap, 'close');
  });
});

test('options and arguments are checked; destroying twice is destroying once', async () => {
  const { cache, coordinator } = await start('a');
  expect(() => new DistributedCacheCoordinator(cache, '')).toThrow(RangeError);
  expect(() => new DistributedCacheCoordinator({} as never, 'a')).toThrow(/a cache manager/);
  expect(() => new DistributedCacheCoordinator(cache, 'a', { conflictResolution: 'mine' as never })).toThrow(
    RangeError,
  );
  coordinator.destroy();
  coordinator.destroy();
  await coordinator[Symbol.asyncDispose]();
});
