/** A change in one service is gone from the caches of all: instances of a real fleet over HTTP, and servers through Redis. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { budgetServer } from '../../servers/budget-server.js';
import { reportsServer } from '../../servers/reports-server.js';
import type { ServiceName } from '../../servers/support/fleet.js';
import type { ServerDefinition } from '../../servers/support/service.js';
import { webServer } from '../../servers/web-server.js';
import type { CoordinationStatus } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { testFleet } from '../support/fleet-server.js';
import { buildFleet, startFleet } from '../support/fleet.js';
import { openAiEndpoint, type Endpoint } from '../support/openai-endpoint.js';
import { RedisServer } from '../support/redis-server.js';

jest.setTimeout(120_000); // a whole fleet starts and grows

const COSTS = '/api/v1/reports/cost-efficiency';
const STATUS = '/api/v1/providers/status';
const BURST = '/api/v1/providers/burst';
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';
const PROMPT = { prompt: 'what is cached?' };

let folder: string;
let endpoint: Endpoint;
let env: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-coordination-'));
  endpoint = await openAiEndpoint('an answer');
  const providers = ['alpha', 'beta'].map((id) => {
    return { id, baseUrl: endpoint.url, model: 'm', inputPrice: 1, outputPrice: 1 };
  });
  const file = join(folder, 'providers.json');
  writeFileSync(file, JSON.stringify(providers));
  env = { PROVIDERS_FILE: file, CONTROL_TOKEN: 'the-token-of-this-fleet', LOG_LEVEL: 'error' };
});
afterAll(async () => {
  await endpoint.close();
  rmSync(folder, { recursive: true, force: true });
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what an endpoint answers is what the tests look at
async function ask(url: string, body?: object): Promise<{ cache: string; body: any }> {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${env['CONTROL_TOKEN']}` };
  const answer = await fetch(url, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
  expect(answer.status).toBe(200);
  return { cache: answer.headers.get('cache-status') ?? '', body: await answer.json() };
}

async function coordination(url: string): Promise<CoordinationStatus> {
  return (await ask(`${url}/api/v1/system/observability`)).body['coordination'] as CoordinationStatus;
}

/** Everything that keeps an answer about providers. */
interface Caches {
  /** The policy is changed at the first. */
  readonly budgets: readonly string[];
  readonly reports: readonly string[];
  readonly webs: readonly string[];
}

/** Whether this cache itself answered: its member comes last. */
const isHit = (cache: string): boolean => cache.split(', ').at(-1)!.includes('; hit');

/** Fills every cache, changes the policy at one instance, and looks for the old answers once all others have applied it. */
async function changePolicy({ budgets, webs, reports }: Caches): Promise<void> {
  const status = [...budgets, ...webs].map((url) => url + STATUS);
  const costs = [...reports, ...webs].map((url) => url + COSTS);
  for (const url of [...status, ...costs]) {
    await ask(url);
    expect([url, isHit((await ask(url)).cache)]).toEqual([url, true]);
  }
  for (const url of budgets) await ask(url + BURST, PROMPT);
  for (const url of budgets) expect((await ask(url + BURST, PROMPT)).body.cached).toBe(true);

  const changedAt = Date.now();
  const [changed, ...others] = [...budgets, ...reports, ...webs];
  await ask(`${changed}/api/v1/providers/policy`, { disabled: ['beta'] });
  for (const url of others)
    await eventually(
      () => coordination(url),
      ({ stats }) => stats.applied > 0,
    );

  for (const url of status) {
    const { providers } = (await ask(url)).body;
    expect([url, providers]).toMatchObject([
      url,
      [
        { id: 'alpha', enabled: true },
        { id: 'beta', enabled: false },
      ],
    ]);
  }
  for (const url of costs) expect((await ask(url)).body.at).toBeGreaterThanOrEqual(changedAt);
  for (const url of budgets.slice(1)) expect((await ask(url + BURST, PROMPT)).body.cached).toBe(false);
}

test('over HTTP, between instances that come and go', async () => {
  buildFleet();
  const fleet = await startFleet({ ...env, SCALING_INTERVAL_MS: '0', SCALING_MAX: '2' });
  try {
    for (const service of ['budget', 'reports'])
      await ask(`${fleet.orchestrator}/api/v1/system/scale/${service}/up`, {});
    const instances = await fleet.instances();
    const urlsOf = (name: ServiceName): string[] =>
      instances.filter(({ service }) => service === name).map(({ host, port }) => `http://${host}:${port}`);
    const caches = { budgets: urlsOf('budget'), reports: urlsOf('reports'), webs: urlsOf('web') };
    const all = Object.values(caches).flat();
    expect(all).toHaveLength(5);
    for (const url of all)
      await eventually(
        () => coordination(url),
        ({ peers }) => peers.length === 4,
      );
    await changePolicy(caches);

    await ask(`${fleet.orchestrator}/api/v1/system/scale/reports/down`, {});
    const { peers } = await eventually(
      () => coordination(caches.webs[0]!),
      (seen) => seen.peers.length === 3,
    );
    expect(peers).toContain(`reports@${new URL(caches.reports[0]!).host}`);
    expect(peers).not.toContain(`reports@${new URL(caches.reports[1]!).host}`);
  } finally {
    await fleet.stop();
  }
});

test('through Redis', async () => {
  const redis = await RedisServer.start();
  const fleet = testFleet();
  const start = (definition: ServerDefinition, id: string, clients: Partial<Record<ServiceName, string>>) =>
    fleet.listen(definition, {
      env: { ...env, REDIS_URL: `redis://127.0.0.1:${redis.port}`, INSTANCE_ID: id },
      clients: { training: NOWHERE, ...clients },
    });
  try {
    const [near, far] = [await start(budgetServer, 'budget-1', {}), await start(budgetServer, 'budget-2', {})];
    const reports = await start(reportsServer, 'reports-1', { budget: near });
    const clients = { budget: far, reports };
    const webs = [await start(webServer, 'web-1', clients), await start(webServer, 'web-2', clients)];
    await changePolicy({ budgets: [near, far], reports: [reports], webs });
  } finally {
    await fleet.close();
    await redis.stop();
  }
});
