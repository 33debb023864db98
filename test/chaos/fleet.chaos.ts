/** Faults of the fleet's own processes and of its disk: `npm run test:chaos`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceName } from '../../servers/support/fleet.js';
import { eventually, until } from '../support/eventually.js';
import { buildFleet, exitOf, startFleet, type RunningFleet } from '../support/fleet.js';
import { testWhereBuilt } from '../support/services.js';
import { Catalogue, lasting, UNLIMITED, type Outcome } from './catalogue.js';

jest.setTimeout(180_000);

const catalogue = new Catalogue();
let fleet: RunningFleet;
let web: string;

beforeAll(async () => {
  buildFleet();
  fleet = await startFleet(UNLIMITED);
  web = await fleet.urlOf('web');
});

afterAll(async () => {
  await fleet.stop();
  catalogue.print();
});

function fault(name: string, run: () => Promise<void>): Promise<Outcome> {
  return catalogue.suffer(web, { name, run });
}

async function processOf(service: ServiceName): Promise<{ id: string; pid: number }> {
  const found = (await fleet.instances()).find((one) => one.service === service && one.state === 'ready');
  return { id: found!.id, pid: found!.pid! };
}

/** Settles when another process serves in the place of the one that was killed. */
async function replaced({ id, pid }: { id: string; pid: number }): Promise<void> {
  await eventually(
    () => fleet.instances(),
    (now) => now.some((one) => one.id === id && one.pid !== pid && one.state === 'ready'),
  );
}

async function scale(service: ServiceName, direction: 'up' | 'down'): Promise<void> {
  const answer = await fetch(`${web}/api/v1/system/scale/${service}/${direction}`, { method: 'POST' });
  expect(answer.status).toBe(200);
}

test('one of two instances is killed', async () => {
  await scale('training', 'up');
  const { failures } = await fault('one of two instances is killed (SIGKILL)', async () => {
    const victim = await processOf('training');
    process.kill(victim.pid, 'SIGKILL');
    await replaced(victim);
  });
  expect(Object.keys(failures).filter((what) => what.startsWith('GET'))).toEqual([]);
});

test('one of two instances freezes', async () => {
  const { failures } = await fault('one of two instances freezes (SIGSTOP, 5 s)', async () => {
    const { pid } = await processOf('training');
    process.kill(pid, 'SIGSTOP');
    await lasting();
    process.kill(pid, 'SIGCONT');
  });
  expect(Object.keys(failures).filter((what) => what.startsWith('GET'))).toEqual([]);
  await scale('training', 'down');
});

test('the only instance of a service is killed', async () => {
  const { failures } = await fault('the only instance of a service is killed', async () => {
    const victim = await processOf('meta');
    process.kill(victim.pid, 'SIGKILL');
    await replaced(victim);
  });
  expect(failures).toEqual({});
});

test('a service is scaled up and down, again and again', async () => {
  const { failures } = await fault('a service is scaled up and down five times', async () => {
    for (let i = 0; i < 5; i++) {
      await scale('training', 'up');
      await scale('training', 'down');
    }
  });
  expect(failures).toEqual({});
});

test('the orchestrator is killed, and another one started', async () => {
  const { failures } = await fault('the orchestrator is killed, the next one takes over', async () => {
    const { dataDir } = fleet;
    fleet.child.kill('SIGKILL');
    await exitOf(fleet.child);
    await lasting();
    fleet = await startFleet({ ...UNLIMITED, DATA_DIR: dataDir });
  });
  expect(failures).toEqual({});
  expect(await fleet.urlOf('web')).toBe(web);
});

const isRoot = process.getuid?.() === 0 && process.platform === 'linux';
testWhereBuilt(isRoot ? undefined : 'a small disk needs root on Linux', 'the disk is full', async () => {
  const disk = mkdtempSync(join(tmpdir(), 'small-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', disk]);
  const before = { fleet, web };
  try {
    fleet = await startFleet({ ...UNLIMITED, DATA_DIR: join(disk, 'data') });
    web = await fleet.urlOf('web');
    await fault('the disk is full for 5 s', async () => {
      const filler = join(disk, 'filler');
      fill(filler);
      await lasting();
      rmSync(filler);
      await until(async () => (await createSession()) === 201, 'nothing can be written after the disk has room again');
    });
  } finally {
    await fleet.stop();
    ({ fleet, web } = before);
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  }
});

/** Writes until nothing more fits. */
function fill(path: string): void {
  const block = Buffer.alloc(64 * 1024);
  for (;;) {
    try {
      writeFileSync(path, block, { flag: 'a' });
    } catch {
      return;
    }
  }
}

async function createSession(): Promise<number> {
  const { status } = await fetch(`${web}/api/v1/training/start`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ learner: 'after', topics: ['chaos'] }),
  });
  return status;
}
