/** Services in processes of their own, under load, while clocks are wrong, Redis is away and a peer is frozen. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CoordinationStatus } from '../../src/index.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';
import { ask, listen, portOf, shut, type Answer } from '../support/cache-rig.js';
import { eventually, until } from '../support/eventually.js';
import { RedisServer } from '../support/redis-server.js';
import { describeWith, redisService } from '../support/services.js';
import type { ServicePorts, ServiceSettings } from './service-program.js';

jest.setTimeout(60_000); // processes start, stop and reconnect in real time

const HOUR = 3_600_000;
const KEYS = Array.from({ length: 50 }, (_, i) => `key-${i}`);

interface Service {
  readonly child: ChildProcess;
  readonly port: number;
}

const folder = mkdtempSync(join(tmpdir(), 'coordination-'));
const agent = new Agent({ keepAlive: true });
const running: Service[] = [];
let bundle: string;
let origin: Server;
/** What the origin says; every value names its version. */
let version = 1;

beforeAll(async () => {
  bundle = bundleProgram(join(__dirname, 'service-program.ts'), folder);
  origin = await listen((_req, res) => res.end(`version ${version}`));
});
afterEach(async () => {
  for (const { child } of running.splice(0)) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
});
afterAll(async () => {
  agent.destroy();
  await shut(origin);
  rmSync(folder, { recursive: true });
});

/** Starts one service for each of the settings; they know each other when this settles. */
async function start(settings: Readonly<Record<string, Omit<ServiceSettings, 'id' | 'origin'>>>): Promise<Service[]> {
  const url = `http://127.0.0.1:${portOf(origin)}`;
  const services = await Promise.all(
    Object.entries(settings).map(async ([id, rest]) => {
      const child = startProgram(bundle, JSON.stringify({ id, origin: url, ...rest }));
      return { child, port: await nextMessage<number>(child) };
    }),
  );
  running.push(...services);
  const ports: ServicePorts = Object.fromEntries(Object.keys(settings).map((id, i) => [id, services[i]!.port]));
  for (const { child } of services) {
    const introduced = nextMessage(child);
    child.send(ports);
    await introduced;
  }
  return services;
}

const get = ({ port }: Service, key: string): Promise<Answer> => ask(port, `/${key}`, { agent });
const valueAt = async (service: Service, key: string): Promise<string> => (await get(service, key)).body;
const outdate = ({ port }: Service, key: string): Promise<Answer> => ask(port, `/${key}`, { agent, method: 'POST' });
const statusOf = async (service: Service): Promise<CoordinationStatus> =>
  JSON.parse(await valueAt(service, '')) as CoordinationStatus;

/** Clients that send requests to these services without a pause. `stop` returns the answers that they received. */
function load(services: readonly Service[]): { answers: () => number; stop: () => Promise<Answer[]> } {
  let isOver = false;
  let answers = 0;
  const failed: Answer[] = [];
  const client = async (service: Service, first: number): Promise<void> => {
    for (let i = first; !isOver; i++) {
      const answer = await get(service, KEYS[i % KEYS.length]!);
      answers++;
      if (answer.status !== 200) failed.push(answer);
    }
  };
  const clients = services.flatMap((service) => [0, 10, 20, 30].map((first) => client(service, first)));
  return {
    answers: () => answers,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      return failed;
    },
  };
}

/** Makes every value outdated while the load goes on, before and after. */
async function changeUnderLoad(publisher: Service, loaded: ReturnType<typeof load>): Promise<void> {
  const some = async (): Promise<void> => {
    const enough = loaded.answers() + 200;
    await until(() => loaded.answers() >= enough, 'the load goes on');
  };
  await some();
  version++;
  for (const key of KEYS) await outdate(publisher, key);
  await some();
}

async function untilCurrent(services: readonly Service[]): Promise<void> {
  for (const service of services) {
    for (const key of KEYS)
      await eventually(
        () => valueAt(service, key),
        (value) => value === `version ${version}`,
      );
  }
}

test('clocks two hours apart: no outdated value survives an invalidation', async () => {
  const services = await start({ ahead: { skew: HOUR }, behind: { skew: -HOUR } });
  for (let i = 0; i < 20; i++) {
    const [here, there] = i % 2 === 0 ? [services[0]!, services[1]!] : [services[1]!, services[0]!];
    expect(await valueAt(there, 'k')).toBe(`version ${version}`);
    version++;
    expect(await valueAt(there, 'k')).toBe(`version ${version - 1}`); // it is cached
    await outdate(here, 'k');
    await eventually(
      () => statusOf(here),
      ({ pendingInvalidations }) => pendingInvalidations === 0,
    );
    expect(await valueAt(there, 'k')).toBe(`version ${version}`);
  }
});

test('a frozen peer does not delay the others, and receives what it missed once it resumes', async () => {
  const [a, b, c] = (await start({ a: {}, b: {}, c: {} })) as [Service, Service, Service];
  for (const key of KEYS) await get(c, key);
  const loaded = load([a, b]);
  c.child.kill('SIGSTOP');
  await changeUnderLoad(a, loaded);
  const { peerStatus } = await eventually(
    () => statusOf(a),
    (status) => status.peerStatus.b?.pending === 0,
  );
  expect(peerStatus.c).toMatchObject({ pending: KEYS.length });
  await untilCurrent([a, b]);
  c.child.kill('SIGCONT');
  await eventually(
    () => statusOf(a),
    ({ pendingInvalidations }) => pendingInvalidations === 0,
  );
  expect(await loaded.stop()).toEqual([]);
  for (const key of KEYS) expect(await valueAt(c, key)).toBe(`version ${version}`);
});

describeWith(redisService, 'through Redis', () => {
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];

  test('Redis is stopped under load: no request fails, and what was outdated meanwhile is gone when it is back', async () => {
    const redis = await RedisServer.start(...durable);
    try {
      const services = await start({ a: { redisPort: redis.port }, b: { redisPort: redis.port } });
      const [a, b] = services as [Service, Service];
      for (const key of KEYS) for (const service of services) await get(service, key);
      const loaded = load(services);
      await changeUnderLoad(a, loaded);
      await untilCurrent(services);

      await redis.kill();
      await changeUnderLoad(a, loaded);
      expect((await statusOf(a)).pendingInvalidations).toBeGreaterThan(0);
      expect(await valueAt(b, KEYS[0]!)).toBe(`version ${version - 1}`); // the invalidation could not reach it
      await redis.start(...durable);
      await untilCurrent(services);
      expect(await loaded.stop()).toEqual([]);
    } finally {
      await redis.stop();
    }
  });
});
