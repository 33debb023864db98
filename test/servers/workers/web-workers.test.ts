/** A web server in two processes, as its clients and its operators see it. */
import { Agent, request } from 'node:http';
import { DistributedCacheCoordinator, MultiLayerCacheManager } from '../../../src/index.js';
import { linkToken } from '../../../servers/web/session.js';
import { EventReader } from '../../support/event-reader.js';
import { eventually, until } from '../../support/eventually.js';
import { ask, CountingOrigin, startWebWorkers, TOKEN, type WebWorkers } from '../../support/web-workers.js';
import type { Frame } from '../../../servers/web/fleet-sampler.js';

jest.setTimeout(120_000);

const CONTROL = { 'X-Control-Token': TOKEN };
const CACHEABLE = { 'Cache-Control': 'public, max-age=600' };
const UNLIMITED = { RATE_LIMIT_CAPACITY: '1000000', RATE_LIMIT_SERVICE_CAPACITY: '1000000' };

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

/** One after the other, because a connection at a time goes to each worker in turn. */
async function inTurn<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < count; i++) results.push(await make(i));
  return results;
}

/** The body of a response, of which each test asserts what it reads. */
const json = ({ text }: { text: string }) => JSON.parse(text);

describe('the limits', () => {
  let web: WebWorkers;
  let origin: CountingOrigin;

  beforeAll(async () => {
    origin = new CountingOrigin();
    await origin.listen();
    web = await startWebWorkers({
      TRAINING_PORT: String(origin.port),
      RATE_LIMIT_CAPACITY: '40',
      RATE_LIMIT_REFILL_PER_SECOND: '0.001',
    });
  });

  afterAll(async () => {
    await web.close();
    await origin.close();
  });

  test('a limit of 40 admits exactly 40 requests over both workers', async () => {
    const answers = await times(120, (i) => web.get(`/api/v1/training/sessions/${i}`));
    const admitted = answers.filter(({ status }) => status === 200);
    expect(admitted).toHaveLength(40);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(80);
    const served = await Promise.all(
      [1, 2].map(async (number) => {
        const { port } = await web.worker(number);
        return json(await ask(port, '/api/v1/system/observability', { headers: CONTROL })).tracer
          .totalRequests as number;
      }),
    );
    expect(Math.min(...served)).toBeGreaterThan(20);
  });

  test('attempts to see the control room are limited over both workers', async () => {
    const answers = await times(200, () => web.get('/api/v1/dashboard/instances/web-1'));
    const admitted = answers.filter(({ status }) => status === 401).length;
    expect(answers.filter(({ status }) => status === 429).length + admitted).toBe(200);
    // 120 at once, and 10 more per second: with a limit for each worker, all would have been admitted.
    expect(admitted).toBeLessThan(190);
  });
});

describe('two workers behind one port', () => {
  let web: WebWorkers;
  let origin: CountingOrigin;
  let providers: CountingOrigin;

  beforeAll(async () => {
    [origin, providers] = [new CountingOrigin(CACHEABLE), new CountingOrigin(CACHEABLE)];
    await Promise.all([origin.listen(), providers.listen()]);
    const ports = { TRAINING_PORT: String(origin.port), BUDGET_PORT: String(providers.port) };
    web = await startWebWorkers({ ...UNLIMITED, ...ports });
  });

  afterAll(async () => {
    await web.close();
    await Promise.all([origin.close(), providers.close()]);
  });

  /** Requests from one worker, as a client that was connected to it would. */
  async function from(number: number, path: string): Promise<string> {
    const { port } = await web.worker(number);
    return (await ask(port, path, { headers: { Host: `127.0.0.1:${web.port}` } })).text;
  }

  test('an expensive response that many request at once is fetched once', async () => {
    await inTurn(4, (i) => web.get(`/api/v1/training/warm/${i}`)); // the first request of a process is slow
    const answers = await times(40, () => web.get('/api/v1/training/expensive'));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 1']));
    expect(origin.countOf('/api/v1/training/expensive')).toBe(1);
  });

  test('an invalidation of another service reaches both workers before it is confirmed', async () => {
    const path = '/api/v1/providers/status';
    expect([await from(1, path), await from(2, path), await from(1, path)]).toEqual(['1', '1', '1']);
    const cache = new MultiLayerCacheManager({});
    const service = new DistributedCacheCoordinator(cache, 'budget', { secret: TOKEN });
    try {
      service.registerPeer('web', '127.0.0.1', web.port);
      for (const [round, provider] of ['one', 'two', 'three'].entries()) {
        await service.publishInvalidation(`provider:${provider}`);
        await service.flush();
        const expected = String(round + 2);
        expect([await from(2, path), await from(1, path)]).toEqual([expected, expected]);
      }
      expect(service.getCoordinationStatus().peerStatus['web']).toMatchObject({ state: 'up', failures: 0 });
    } finally {
      service.destroy();
      cache.destroy();
    }
  });

  test('a purge over the public port reaches both workers', async () => {
    const path = '/api/v1/training/purged';
    expect([await from(1, path), await from(2, path)]).toEqual(['1', '1']);
    const purge = { method: 'POST', body: { pattern: path } };
    expect((await web.get('/api/v1/system/cache/purge', purge)).status).toBe(401);
    expect((await web.get('/api/v1/system/cache/purge', { ...purge, headers: CONTROL })).status).toBe(200);
    expect([await from(2, path), await from(1, path)]).toEqual(['2', '2']);
    const empty = { ...purge, body: {}, headers: CONTROL };
    expect((await web.get('/api/v1/system/cache/purge', empty)).status).toBe(400);
  });

  test('/metrics adds the workers up, regardless of the one that answers', async () => {
    await times(30, (i) => web.get(`/api/v1/challenges/counted/${i}`));
    const counted = async (): Promise<number> => {
      const { text } = await web.get('/metrics');
      const samples = text
        .split('\n')
        .filter((line) => line.startsWith('http_server_request_duration_seconds_count') && /challenges/.test(line));
      return samples.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    };
    expect(await inTurn(4, counted)).toEqual([30, 30, 30, 30]);
  });

  test('the load and the figures of the server are those of both workers', async () => {
    const readings = await inTurn(4, () => web.get('/api/v1/system/load'));
    for (const reading of readings)
      expect(json(reading)).toMatchObject({ service: 'web', instance: 'web', pid: web.child.pid });
    const { tracer, workers } = json(await web.get('/api/v1/system/observability'));
    expect(workers).toHaveLength(2);
    expect(workers.map(({ instance }: { instance: string }) => instance)).toEqual(['web-1', 'web-2']);
    expect(Math.min(...workers.map((one: typeof workers) => one.tracer.totalRequests))).toBeGreaterThan(0);
    expect(tracer.totalRequests).toBe(
      workers.reduce((sum: number, one: typeof workers) => sum + one.tracer.totalRequests, 0),
    );
    const routed = json(await web.get('/api/v1/system/load-distribution')).services.training;
    const each = await Promise.all(
      [1, 2].map(async (number) =>
        json(await ask((await web.worker(number)).port, '/api/v1/system/load-distribution')),
      ),
    );
    expect(routed.requests).toBe(each.reduce((sum, one) => sum + Number(one.services.training.requests), 0));
  });

  test('a trace is found, regardless of the worker that is asked', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    await web.get('/api/v1/training/traced', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
    const found = await inTurn(4, () => web.get(`/api/v1/system/traces/${traceId}`, { headers: CONTROL }));
    for (const one of found) expect(json(one).trace.traceId).toBe(traceId);
    const listed = await inTurn(2, () => web.get('/api/v1/system/traces', { headers: CONTROL }));
    for (const one of listed)
      expect(json(one).traces.filter((trace: { traceId: string }) => trace.traceId === traceId)).toHaveLength(1);
    expect((await web.get(`/api/v1/system/traces/${'0'.repeat(31)}1`, { headers: CONTROL })).status).toBe(404);
    expect((await web.get(`/api/v1/system/traces/${traceId}`)).status).toBe(401);
  });

  test('a session that one worker opened is good for both', async () => {
    const opened = await web.get(`/?token=${linkToken(TOKEN)}`);
    const cookie = opened.headers['set-cookie']![0]!.split(';', 1)[0]!;
    const access = await inTurn(6, () => web.get('/api/v1/dashboard/access', { headers: { cookie } }));
    for (const one of access) expect(json(one)).toMatchObject({ read: true, control: true });
  });

  test('the control room lists both workers and adds their requests up', async () => {
    const stream = await fetch(`http://127.0.0.1:${web.port}/api/v1/dashboard/stream`, { headers: CONTROL });
    const events = new EventReader(stream.body!);
    const frames: Frame[] = [];
    const countOf = (): number =>
      frames
        .flatMap(({ points }) => points)
        .reduce((sum, { services }) => sum + (services.web?.routes['GET /api/v1/training/*path']?.count ?? 0), 0);
    const next = async (): Promise<void> => {
      const { event, data } = (await events.next())!;
      if (event === 'frame') frames.push(data as unknown as Frame);
    };
    while (frames.length < 2) await next(); // both workers record while they are being read
    const before = countOf();
    await times(40, (i) => web.get(`/api/v1/training/shown/${i}`));
    while (countOf() < before + 40) await next();
    expect(countOf()).toBe(before + 40);
    const shown = frames.at(-1)!.instances.filter(({ service }) => service === 'web');
    expect(shown.map(({ id }: { id: string }) => id)).toEqual(['web-1', 'web-2']);
    for (const one of shown) expect(one.figures).not.toBeNull();

    // A page that reconnects gets what follows, from either worker.
    const last = events.lastEventId;
    await stream.body!.cancel().catch(() => undefined);
    const again = await inTurn(4, async () => {
      const stopped = new AbortController();
      const response = await fetch(`http://127.0.0.1:${web.port}/api/v1/dashboard/stream`, {
        headers: { ...CONTROL, 'Last-Event-ID': last, Connection: 'close' },
        signal: stopped.signal,
      });
      const reader = new EventReader(response.body!);
      const ids: string[] = [];
      for (let event = ''; event !== 'frame'; ids.push(reader.lastEventId)) event = (await reader.next())!.event;
      stopped.abort();
      return ids.at(-1)!;
    });
    const [epoch, number] = last.split('-') as [string, string];
    for (const id of again) {
      expect(id.split('-')[0]).toBe(epoch);
      expect(Number(id.split('-')[1])).toBeGreaterThan(Number(number));
    }
  });

  test('the log lines of both workers are found once each', async () => {
    const mark = `/api/v1/training/logged`;
    await inTurn(6, () => web.get(mark));
    const found = json(
      await web.get(`/api/v1/dashboard/logs?service=web&text=${encodeURIComponent('training')}&limit=500`, {
        headers: CONTROL,
      }),
    );
    const instances = new Set(found.lines.map(({ instance }: { instance: string }) => instance));
    expect(instances).toEqual(new Set(['web-1', 'web-2']));
    const lines: string[] = found.lines.map(({ line }: { line: string }) => line);
    expect(new Set(lines).size).toBe(lines.length);
  });

  test('a killed worker returns, the port answers meanwhile, and no count is lost', async () => {
    const before = await web.worker(1);
    const count = async (): Promise<number> => {
      const { text } = await web.get('/metrics');
      const samples = text
        .split('\n')
        .filter((line) => /^http_server_request_duration_seconds_count.*challenges/.test(line));
      return samples.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    };
    const counted = await count();
    process.kill(before.pid!, 'SIGKILL');
    await until(async () => (await web.get('/livez')).status === 200);
    const answers = await inTurn(20, () => web.get('/api/v1/training/overview'));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const after = await eventually(
      () => web.worker(1).catch(() => undefined),
      (found) => found !== undefined && found.pid !== before.pid,
    );
    const reasons = [...web.output().matchAll(/"reason":"([^"]*)","msg":"a worker ended"/g)].map(
      ([, reason]) => reason,
    );
    expect(reasons).toEqual(['web-1: was ended by SIGKILL']);
    expect(after!.restarts).toBe(1);
    expect(await from(1, '/api/v1/training/overview')).toBe('1');
    expect(await count()).toBe(counted);
  });

  test('a worker that gets SIGTERM loses no request, and is replaced', async () => {
    const { pid } = await web.worker(2);
    let isOver = false;
    const failures: unknown[] = [];
    let served = 0;
    const client = async (): Promise<void> => {
      while (!isOver) {
        const answer = await web.get('/api/v1/training/overview').catch((error: unknown) => failures.push(error));
        if (typeof answer === 'object') served++;
      }
    };
    const clients = times(8, client);
    process.kill(pid!, 'SIGTERM');
    await eventually(
      () => web.worker(2).catch(() => undefined),
      (found) => found !== undefined && found.pid !== pid,
    );
    isOver = true;
    await clients;
    expect(failures).toEqual([]);
    expect(served).toBeGreaterThan(0);
  });
});

test.each([
  ['the primary process', []],
  ['all processes, the primary one last', [1, 2]],
])('SIGTERM to %s under load: every request that was accepted is answered', async (_which, workers) => {
  const origin = new CountingOrigin();
  await origin.listen();
  const web = await startWebWorkers({ ...UNLIMITED, TRAINING_PORT: String(origin.port), DRAIN_DELAY_MS: '300' });
  const pids = await Promise.all(workers.map(async (number) => (await web.worker(number)).pid!));
  const agent = new Agent({ keepAlive: true });
  let served = 0;
  const failures: unknown[] = [];
  const send = (shared: boolean): Promise<boolean> =>
    new Promise((resolve) => {
      const sent = request(
        { host: '127.0.0.1', port: web.port, path: '/api/v1/training/overview', agent: shared ? agent : false },
        (res) => {
          res.resume().once('error', (error) => resolve(failures.push(error) < 0));
          res.once('end', () => {
            served++;
            if (res.statusCode !== 200) failures.push(res.statusCode);
            resolve(true);
          });
        },
      );
      sent.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ECONNREFUSED') failures.push(error);
        resolve(false);
      });
      sent.end();
    });
  const client = async (index: number): Promise<void> => {
    while (await send(index % 2 === 0));
  };
  const clients = times(24, client);
  await until(() => served > 50);
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  web.child.kill('SIGTERM');
  await clients;
  expect(await web.exited).toBe(0);
  expect(failures).toEqual([]);
  agent.destroy();
  await web.close();
  await origin.close();
});

test('a port in use and a limit that cannot be divided are reported', async () => {
  const web = await startWebWorkers();
  try {
    await expect(startWebWorkers({ WEB_PORT: String(web.port) })).rejects.toThrow(`port ${web.port} is already in use`);
    await expect(startWebWorkers({ MAX_IN_FLIGHT: '1' })).rejects.toThrow(/MAX_IN_FLIGHT: .*WEB_WORKERS=2/);
  } finally {
    await web.close();
  }
});
