import fc from '../support/fast-check.js';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  HealthMonitor,
  type CheckOutcome,
  type CheckTarget,
  type HealthMonitorOptions,
} from '../../src/health/index.js';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints } from '../../src/middleware/health-endpoints.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

type Answer = CheckOutcome['status'] | 'throws' | 'hangs';

const monitors: Array<Pick<HealthMonitor, 'destroy'>> = [];
afterEach(() => monitors.splice(0).forEach((monitor) => monitor.destroy()));

/** A monitor whose instances answer what the test sets, by port. */
function setUp(options: HealthMonitorOptions = {}) {
  const clock = new FakeClock(0);
  const answers: Record<number, Answer> = {};
  const checks: string[] = [];
  const check = jest.fn(({ port, url }: CheckTarget, signal: AbortSignal): Promise<CheckOutcome> => {
    checks.push(`${clock.now()} ${url}`);
    const answer = answers[port] ?? 'healthy';
    if (answer === 'throws') throw new Error('broken check');
    if (answer !== 'hangs') return Promise.resolve({ status: answer, ...(answer === 'unhealthy' && { error: 'no' }) });
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  });
  const monitor = new HealthMonitor({ checkInterval: 10_000, check, clock, random: () => 0.5, ...options });
  monitors.push(monitor);
  return { clock, monitor, answers, check, checks };
}

describe('one instance', () => {
  test('is unknown until its first pass, and healthy after it', async () => {
    const { clock, monitor } = setUp();
    monitor.registerService('reports', 3008);
    expect(monitor.getHealth('reports').status).toBe('unknown');
    expect(monitor.isReadyForTraffic('reports')).toBe(false);
    await clock.advance(0);
    expect(monitor.isReadyForTraffic('reports')).toBe(true);
    expect(monitor.getHealth('reports')).toEqual({
      service: 'reports',
      status: 'healthy',
      checks: [{ id: '127.0.0.1:3008', time: 0, ok: true, latency: 0 }],
      instances: [{ id: '127.0.0.1:3008', host: '127.0.0.1', port: 3008, status: 'healthy', latency: 0, lastCheck: 0 }],
    });
  });

  test('becomes unhealthy after three failures in a row and healthy after two passes, with faster checks in between', async () => {
    const { clock, monitor, answers, checks } = setUp();
    const changes: string[] = [];
    monitor.onInstanceChange(({ id, status, previous }) => changes.push(`${clock.now()} ${id} ${previous}>${status}`));
    monitor.registerService('reports', 3008);
    await clock.advance(5000);
    answers[3008] = 'unhealthy';
    await clock.advance(10_000); // failures at 10 000, 11 000, 12 000
    answers[3008] = 'healthy';
    await clock.advance(15_000); // passes at 22 000 and 23 000
    expect(changes).toEqual([
      '0 127.0.0.1:3008 unknown>healthy',
      '12000 127.0.0.1:3008 healthy>unhealthy',
      '23000 127.0.0.1:3008 unhealthy>healthy',
    ]);
    expect(checks.map((one) => Number(one.split(' ')[0]))).toEqual([0, 10_000, 11_000, 12_000, 22_000, 23_000]);
  });

  test('failures with a pass in between do not make it unhealthy', async () => {
    const { clock, monitor, answers } = setUp();
    monitor.registerService('reports', 3008);
    await clock.advance(0);
    for (let i = 0; i < 5; i++) {
      answers[3008] = 'unhealthy';
      await monitor.checkNow('reports');
      await monitor.checkNow('reports');
      answers[3008] = 'healthy';
      await monitor.checkNow('reports');
    }
    expect(monitor.getHealth('reports').status).toBe('healthy');
  });

  test('that never passed is unhealthy after three failures, and healthy after two passes', async () => {
    const { clock, monitor, answers } = setUp();
    answers[3008] = 'unhealthy';
    monitor.registerService('reports', 3008);
    await clock.advance(1999);
    expect(monitor.getHealth('reports').status).toBe('unknown');
    await clock.advance(1);
    expect(monitor.getHealth('reports')).toMatchObject({ status: 'unhealthy', instances: [{ error: 'no' }] });
    answers[3008] = 'healthy';
    await monitor.checkNow('reports');
    expect(monitor.getHealth('reports').status).toBe('unhealthy');
    await monitor.checkNow('reports');
    expect(monitor.getHealth('reports').status).toBe('healthy');
    expect(monitor.getHealth('reports').instances[0]).not.toHaveProperty('error');
  });

  test('that warns is degraded and receives traffic', async () => {
    const { clock, monitor, answers } = setUp();
    answers[3008] = 'degraded';
    monitor.registerService('reports', 3008);
    await clock.advance(0);
    expect(monitor.getHealth('reports').status).toBe('degraded');
    expect(monitor.isReadyForTraffic('reports')).toBe(true);
  });

  test('that hangs fails its check at the timeout, and its checks never overlap', async () => {
    const { clock, monitor, answers, check } = setUp({ timeout: 2000, checkInterval: 100, fall: 1 });
    answers[3008] = 'hangs';
    monitor.registerService('reports', 3008);
    await clock.advance(1999);
    void monitor.checkNow('reports');
    expect(check).toHaveBeenCalledTimes(1);
    await clock.advance(1);
    expect(monitor.getHealth('reports').instances[0]).toMatchObject({
      status: 'unhealthy',
      latency: 2000,
      error: 'no answer within 2000 ms',
    });
  });

  test('whose check ignores its abort signal is checked again, with at most two checks running', async () => {
    const lost: Array<(outcome: CheckOutcome) => void> = [];
    let isLost = true;
    const check = jest.fn(
      () =>
        new Promise<CheckOutcome>((resolve) => {
          if (isLost) lost.push(resolve);
          else resolve({ status: 'healthy' });
        }),
    );
    const { clock, monitor } = setUp({ check, checkInterval: 1000, timeout: 100, fall: 1, rise: 1 });
    monitor.registerService('reports', 3008);
    await clock.advance(60_000);
    expect(check).toHaveBeenCalledTimes(2);
    expect(monitor.getHealth('reports').status).toBe('unhealthy');
    isLost = false;
    lost[0]!({ status: 'unhealthy' });
    await clock.advance(2000);
    expect(monitor.getHealth('reports').status).toBe('healthy');
  });

  test.each([{ status: 'down' }, { status: 'FAIL' }, {}, null, 'ok', new Error('no')])(
    'a check that answers %p is a failed check',
    async (answer) => {
      const check = (): Promise<CheckOutcome> => Promise.resolve(answer as never);
      const { clock, monitor } = setUp({ check, fall: 1 });
      monitor.registerService('reports', 3008);
      await clock.advance(0);
      expect(monitor.getHealth('reports').status).toBe('unhealthy');
    },
  );

  test('a check that throws is a failed check', async () => {
    const { clock, monitor, answers } = setUp({ fall: 1 });
    answers[3008] = 'throws';
    monitor.registerService('reports', 3008);
    await clock.advance(0);
    expect(monitor.getHealth('reports').instances[0]).toMatchObject({ status: 'unhealthy', error: 'broken check' });
  });

  test('is checked at intervals jittered by a tenth', async () => {
    for (const [random, at] of [
      [0, 9000],
      [1, 11_000],
    ] as const) {
      const { clock, monitor, check } = setUp({ random: () => random });
      monitor.registerService('reports', 3008);
      await clock.advance(at - 1);
      expect(check).toHaveBeenCalledTimes(1);
      await clock.advance(1);
      expect(check).toHaveBeenCalledTimes(2);
    }
  });
});

test('property: the status of an instance follows from its latest checks by the thresholds for rise and fall', async () => {
  const answer = fc.constantFrom<CheckOutcome['status']>('healthy', 'degraded', 'unhealthy');
  const rule = fc.integer({ min: 1, max: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(answer, { maxLength: 40 }), rule, rule, async (history, rise, fall) => {
      const { monitor, answers } = setUp({ rise, fall });
      let model = 'unknown';
      for (const [i, said] of history.entries()) {
        answers[3008] = said;
        if (i === 0) monitor.registerService('reports', 3008);
        await monitor.checkNow('reports'); // joins the first check, which registering started
        const inARow = [...history.slice(0, i + 1)].reverse().findIndex((one) => (one === 'unhealthy') !== (said === 'unhealthy')); // prettier-ignore
        const run = inARow === -1 ? i + 1 : inARow;
        if (said !== 'unhealthy') model = model === 'unhealthy' && run < rise ? model : said;
        else if (run >= fall) model = said;
        expect(monitor.getHealth('reports').status).toBe(model);
      }
      monitor.destroy();
    }),
  );
});

describe('a service', () => {
  test.each<[Answer[], string]>([
    [['healthy', 'healthy'], 'healthy'],
    [['healthy', 'unhealthy'], 'degraded'],
    [['healthy', 'degraded'], 'degraded'],
    [['degraded', 'unhealthy'], 'degraded'],
    [['unhealthy', 'unhealthy'], 'unhealthy'],
    [['healthy', 'hangs'], 'healthy'],
    [['hangs', 'hangs'], 'unknown'],
  ])('of instances %j is %s', async (states, status) => {
    const { clock, monitor, answers } = setUp({ fall: 1 });
    states.forEach((state, i) => {
      answers[3000 + i] = state;
      monitor.registerService('reports', 3000 + i);
    });
    await clock.advance(0);
    expect(monitor.getHealth('reports').status).toBe(status);
  });

  test('listeners receive each change of status once, with the full report', async () => {
    const { clock, monitor, answers } = setUp({ fall: 1, rise: 1 });
    const told: string[] = [];
    const stop = monitor.onHealthChange('reports', (status, previous, health) =>
      told.push(`${previous}>${status} ${health.instances.length}`),
    );
    monitor.onHealthChange('other', () => told.push('wrong service'));
    monitor.registerService('reports', 3008);
    monitor.registerService('reports', 3018);
    await clock.advance(0);
    answers[3018] = 'unhealthy';
    await monitor.checkNow('reports');
    await monitor.checkNow('reports');
    expect(monitor.unregisterService('reports', 3018)).toBe(true);
    stop();
    stop();
    monitor.unregisterService('reports');
    expect(told).toEqual(['unknown>healthy 2', 'healthy>degraded 2', 'degraded>healthy 1']);
  });

  test('instances with the same port on several hosts are removed separately', () => {
    const { monitor } = setUp();
    for (const host of ['10.0.0.1', '10.0.0.2', '::1']) monitor.registerService('reports', 3008, { host });
    const hosts = (): string[] => monitor.getHealth('reports').instances.map(({ host }) => host);
    expect(monitor.unregisterService('reports', 3008, '10.0.0.1')).toBe(true);
    expect(monitor.unregisterService('reports', 3008, '10.0.0.1')).toBe(false);
    expect(hosts()).toEqual(['10.0.0.2', '::1']);
    expect(monitor.unregisterService('reports', 3008)).toBe(true);
    expect(hosts()).toEqual([]);
  });

  test('a listener that throws stops neither the others nor the checks', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
    const { clock, monitor } = setUp();
    const second = jest.fn();
    monitor.onInstanceChange(() => {
      throw new Error('mine');
    });
    monitor.onInstanceChange(second);
    monitor.registerService('reports', 3008);
    await clock.advance(20_000);
    expect(second).toHaveBeenCalledTimes(1);
    expect(monitor.getStats().checks).toBe(3);
    warn.mockRestore();
  });
});

describe('registering', () => {
  test('with an interval, or with host, path and settings; IPv6 in brackets', async () => {
    const { clock, monitor, checks } = setUp();
    monitor.registerService('a', 3001, 500);
    monitor.registerService('b', 3002, { host: '::1', path: '/readyz', checkInterval: 700 });
    monitor.registerService('c', 3003, { host: 'c.example', protocol: 'https' });
    await clock.advance(700);
    expect(checks).toEqual([
      '0 http://127.0.0.1:3001/health',
      '0 http://[::1]:3002/readyz',
      '0 https://c.example:3003/health',
      '500 http://127.0.0.1:3001/health',
      '700 http://[::1]:3002/readyz',
    ]);
    expect(Object.keys(monitor.getAllHealth())).toEqual(['a', 'b', 'c']);
  });

  test('a second time keeps the status, applies the settings and leaves one timer', async () => {
    const { clock, monitor, answers } = setUp();
    monitor.registerService('reports', 3008);
    await clock.advance(0);
    answers[3008] = 'hangs';
    monitor.registerService('reports', 3008, { checkInterval: 300, timeout: 100 });
    expect(monitor.getHealth('reports').instances).toMatchObject([{ status: 'healthy' }]);
    answers[3008] = 'healthy';
    await clock.advance(1000);
    expect(monitor.getHealth('reports').status).toBe('healthy');
    expect(clock.pendingTimers).toBe(1);
  });

  test('invalid arguments are named in the error', () => {
    const { monitor } = setUp();
    expect(() => monitor.registerService('', 3008)).toThrow(/name/);
    expect(() => monitor.registerService('x', 70_000)).toThrow(/port.*70000/);
    expect(() => monitor.registerService('x', 3008, { intervall: 5 } as never)).toThrow(/unknown option/);
    expect(() => new HealthMonitor({ rise: 0 })).toThrow(/rise/);
  });

  test('an unregistered instance is unknown, not ready, and cannot be unregistered', () => {
    const { monitor } = setUp();
    expect(monitor.getHealth('x')).toEqual({ service: 'x', status: 'unknown', checks: [], instances: [] });
    expect(monitor.isReadyForTraffic('x')).toBe(false);
    expect(monitor.unregisterService('x')).toBe(false);
  });
});

test('keeps the latest twenty checks, and counts all of them', async () => {
  const { clock, monitor, answers } = setUp({ checkInterval: 10 });
  answers[3008] = 'unhealthy';
  monitor.registerService('reports', 3008);
  await clock.advance(1000);
  expect(monitor.getHealth('reports').checks).toHaveLength(20);
  expect(monitor.getStats()).toEqual({
    services: 1,
    instances: 1,
    healthy: 0,
    degraded: 0,
    unhealthy: 1,
    unknown: 0,
    checks: 101,
    failures: 101,
  });
});

test('destroy ends checks, timers and subscriptions, and is idempotent', async () => {
  const { clock, monitor, answers, check } = setUp();
  const told = jest.fn();
  monitor.onInstanceChange(told);
  answers[3008] = 'hangs';
  monitor.registerService('reports', 3008);
  monitor.registerService('reports', 3018);
  monitor.destroy();
  monitor.close();
  await monitor[Symbol.asyncDispose]();
  await clock.advance(60_000);
  expect(clock.pendingTimers).toBe(0);
  expect(told).not.toHaveBeenCalled();
  expect(check.mock.calls[0]![1].aborted).toBe(true);
  monitor.registerService('late', 3001);
  await clock.advance(60_000);
  expect(check).toHaveBeenCalledTimes(2);
});

describe('over HTTP', () => {
  const servers: http.Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  async function serve(listener: http.RequestListener): Promise<number> {
    const server = http.createServer(listener).listen(0, '127.0.0.1');
    servers.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
    return (server.address() as AddressInfo).port;
  }

  async function checkOnce(port: number, clock = new FakeClock(0)) {
    const monitor = new HealthMonitor({ clock, fall: 1, timeout: 2000 });
    monitors.push(monitor);
    monitor.registerService('peer', port);
    const [instance] = (await monitor.checkNow('peer')).instances;
    return instance!;
  }

  const healthJson =
    (status: number, body: string): http.RequestListener =>
    (_req, res) =>
      res.writeHead(status, { 'Content-Type': 'application/health+json' }).end(body);

  test.each<[string, http.RequestListener, string, string | undefined]>([
    ['200', (_req, res) => res.end('ok'), 'healthy', undefined],
    ['204', (_req, res) => res.writeHead(204).end(), 'healthy', undefined],
    ['200 that warns', healthJson(200, '{"status":"warn"}'), 'degraded', undefined],
    ['200 with broken JSON', healthJson(200, '{"stat'), 'healthy', undefined],
    ['200 with null', healthJson(200, 'null'), 'healthy', undefined],
    ['503', healthJson(503, '{"status":"fail"}'), 'unhealthy', 'answered 503'],
    ['503 with a body of garbage', healthJson(503, '[[['), 'unhealthy', 'answered 503'],
    ['503 with null', healthJson(503, 'null'), 'unhealthy', 'answered 503'],
    ['404', (_req, res) => res.writeHead(404).end(), 'unhealthy', 'answered 404'],
    ['a redirect, not followed', (_req, res) => res.writeHead(302, { Location: '/health' }).end(), 'unhealthy', 'answered 302'], // prettier-ignore
    ['a reset', (req) => req.socket.destroy(), 'unhealthy', 'ECONNRESET'],
    ['a body cut off', (_req, res) => { res.writeHead(200, { 'Content-Length': 99 }).write('x', () => res.destroy()); }, 'unhealthy', 'ECONNRESET'], // prettier-ignore
  ])('%s', async (_, listener, status, error) => {
    const instance = await checkOnce(await serve(listener));
    expect([instance.status, instance.error]).toEqual([status, error]);
  });

  test('an instance that says it is draining is unhealthy at once', async () => {
    const health = healthEndpoints();
    monitors.push({ destroy: () => health.close() });
    const port = await serve(compose(health));
    const monitor = new HealthMonitor({ clock: new FakeClock(0), fall: 3 });
    monitors.push(monitor);
    monitor.registerService('peer', port);
    expect((await monitor.checkNow('peer')).status).toBe('healthy');
    health.probes.startDraining();
    expect(await monitor.checkNow('peer')).toMatchObject({ status: 'unhealthy', instances: [{ error: 'draining' }] });
  });

  test('a port on which no process listens', async () => {
    const port = await serve(() => undefined);
    servers.pop()!.close();
    expect(await checkOnce(port)).toMatchObject({ status: 'unhealthy', error: 'ECONNREFUSED' });
  });

  test('of an endless body at most 64 KiB are read, and the status decides', async () => {
    let closed = (): void => undefined;
    const disconnected = new Promise<void>((resolve) => (closed = resolve));
    const port = await serve((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/json' });
      const pump = (): void => {
        while (!res.destroyed && res.write(Buffer.alloc(16_384))) continue;
      };
      res.on('drain', pump).once('close', closed);
      pump();
    });
    expect((await checkOnce(port)).status).toBe('healthy');
    await disconnected;
  });

  test.each<[string, http.RequestListener]>([
    ['an answer that never comes', () => undefined],
    ['a body that never ends', (_req, res) => void res.write('{"status":')],
  ])('%s is given up on at the timeout, and the connection with it', async (_, listener) => {
    let arrived = (): void => undefined;
    const request = new Promise<void>((resolve) => (arrived = resolve));
    let closed = (): void => undefined;
    const disconnected = new Promise<void>((resolve) => (closed = resolve));
    const port = await serve((req, res) => {
      res.once('close', closed);
      listener(req, res);
      arrived();
    });
    const clock = new FakeClock(0);
    const checking = checkOnce(port, clock);
    await request;
    await clock.advance(2000);
    expect(await checking).toMatchObject({ status: 'unhealthy', error: 'no answer within 2000 ms' });
    await disconnected;
  });
});
