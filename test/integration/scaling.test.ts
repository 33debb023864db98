/** The loop closed over the real fleet: load comes, an instance is added and serves; load goes, and so does it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, until } from '../support/eventually.js';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { slowProvider, type SlowProvider } from '../support/slow-provider.js';

jest.setTimeout(120_000);

/** Requests in flight are what this service is sized for: they do not depend on how fast the machine is. */
const POLICIES = {
  defaults: { max: 1 },
  services: {
    budget: {
      max: 2,
      cpu: false,
      memory: false,
      queueDepth: false,
      p99: false,
      inFlight: { target: 8, up: 9, down: 3 },
      stabilization: { up: 0, down: 2_000 },
      cooldown: { up: 0, down: 1_000 },
      predictive: false,
    },
  },
};

let folder: string;
let provider: SlowProvider;
let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  folder = mkdtempSync(join(tmpdir(), 'tooloo-scaling-'));
  provider = await slowProvider(400);
  provider.writeFile(join(folder, 'providers.json'));
  writeFileSync(join(folder, 'scaling.json'), JSON.stringify(POLICIES));
  fleet = await startFleet({
    LOG_LEVEL: 'warn',
    DATA_DIR: folder,
    PROVIDERS_FILE: join(folder, 'providers.json'),
    SCALING_POLICIES_FILE: join(folder, 'scaling.json'),
    SCALING_INTERVAL_MS: '250',
    RATE_LIMIT_CAPACITY: '1000000',
    RATE_LIMIT_SERVICE_CAPACITY: '1000000',
  });
  web = await fleet.urlOf('web');
});

afterAll(async () => {
  await fleet.stop();
  await provider.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Clients that send requests without a pause. Their number can be changed at any time. */
class Load {
  served = 0;
  readonly failed: unknown[] = [];
  #wanted = 0;
  readonly #clients: Promise<void>[] = [];
  #count = 0;

  set clients(wanted: number) {
    this.#wanted = wanted;
    for (let i = this.#count; i < wanted; i++) this.#clients.push(this.#run(i));
    this.#count = wanted;
  }

  async end(): Promise<void> {
    this.clients = 0;
    await Promise.all(this.#clients);
  }

  async #run(number: number): Promise<void> {
    while (number < this.#wanted) {
      try {
        // Every POST is different, and none is safe to retry.
        const answer = await fetch(`${web}/api/v1/providers/burst`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ prompt: `${number} ${this.served} ${Math.random()}` }),
        });
        const text = await answer.text();
        if (answer.status === 200) this.served++;
        else this.failed.push(`${answer.status} ${text}`);
      } catch (error) {
        this.failed.push(error);
      }
    }
  }
}

interface Instance {
  readonly id: string;
  readonly requests: number;
}

async function json<T>(path: string): Promise<T> {
  return (await (await fetch(web + path)).json()) as T;
}

/** The instances of the service as the gateway sees them, and what each was sent. */
async function routed(): Promise<readonly Instance[]> {
  const { services } = await json<{ services: Record<string, { instances: Instance[] }> }>(
    '/api/v1/system/load-distribution',
  );
  return services['budget']!.instances;
}

interface HistoryRecord {
  readonly event: string;
  readonly outcome: string;
  readonly reason: string;
}

test('load brings an instance, and takes it away again, and no request fails', async () => {
  const load = new Load();
  load.clients = 12;
  const grown = await eventually(routed, (instances) => instances.length === 2);
  await until(async () => (await routed()).every(({ requests }) => requests > 10));
  expect(grown).toHaveLength(2);

  load.clients = 2;
  await eventually(routed, (instances) => instances.length === 1);
  await eventually(
    () => fleet.instances(),
    (instances) => instances.filter(({ service }) => service === 'budget').length === 1,
  );
  const before = load.served;
  await until(() => load.served > before + 4);
  await load.end();
  expect({ served: load.served > 50, failed: load.failed }).toEqual({ served: true, failed: [] });

  const { history } = await json<{ history: HistoryRecord[] }>('/api/v1/system/scaling-history?service=budget');
  expect(history.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
    'SCALE_DOWN done',
    'SCALE_UP done',
    'START done',
  ]);
  expect(history.map(({ reason }) => reason)).toEqual([expect.any(String), expect.stringContaining('inFlight'), null]);

  const { services } = await json<{
    services: Record<string, { lastDecision: { desired: number; metrics: object[] } }>;
  }>('/api/v1/system/scaling-status');
  expect(services['budget']!.lastDecision).toMatchObject({
    desired: 1,
    metrics: [
      expect.objectContaining({ metric: 'inFlight', target: 8 }),
      expect.objectContaining({ metric: 'errorRate' }),
    ],
  });
});
