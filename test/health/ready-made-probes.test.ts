import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  diskProbe,
  eventLoopProbe,
  memoryProbe,
  peerProbe,
  poolProbe,
  ReadinessProbe,
  type ProbeFunction,
} from '../../src/health/index.js';

async function run(probe: ProbeFunction) {
  const probes = new ReadinessProbe();
  probes.registerReadinessProbe('it', probe);
  const report = await probes.check();
  probes.close();
  return report.checks[0]!;
}

describe('eventLoopProbe', () => {
  test.each([
    [20, 'pass'],
    [150, 'warn'],
    [501, 'fail'],
  ])('%d ms is %s', async (delay, status) => {
    expect(await run(eventLoopProbe({ measure: () => delay }))).toMatchObject({
      status,
      observedValue: delay,
      observedUnit: 'ms',
    });
  });

  test("reads Node's histogram from its first run on, resets it each time, and releases it when closed", async () => {
    const probes = new ReadinessProbe({ interval: 0 });
    probes.registerResourceProbe('loop', eventLoopProbe({ max: 10_000, warn: 9000 }));
    for (let i = 0; i < 3; i++) expect((await probes.check()).checks[0]!.status).toBe('pass');
    probes.close();
    probes.close();
  });
});

describe('memoryProbe', () => {
  test.each([
    [0.5, 'pass'],
    [0.9, 'warn'],
    [0.96, 'fail'],
  ])('%d of the heap is %s', async (used, status) => {
    expect(await run(memoryProbe({ measure: () => used }))).toMatchObject({ status, observedUnit: '%' });
  });

  test('this process uses some memory', async () => {
    const { observedValue } = await run(memoryProbe());
    expect(observedValue).toBeGreaterThan(0);
    expect(observedValue).toBeLessThan(100);
  });
});

describe('diskProbe', () => {
  test('passes with space, fails without, and on a path that is not there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'disk-probe-'));
    expect(await run(diskProbe(folder, { minFree: 1 }))).toMatchObject({ status: 'pass', observedUnit: 'bytes' });
    expect((await run(diskProbe(folder, { minFree: Number.MAX_SAFE_INTEGER }))).status).toBe('fail');
    rmSync(folder, { recursive: true });
    expect(await run(diskProbe(folder))).toMatchObject({ status: 'fail', output: expect.stringContaining('ENOENT') });
  });
});

describe('poolProbe', () => {
  test.each([
    [{ healthy: 2, unhealthy: 0, total: 2 }, 'pass'],
    [{ healthy: 1, unhealthy: 1, total: 2 }, 'warn'],
    [{ healthy: 0, unhealthy: 2, total: 2 }, 'fail'],
    [{ healthy: 0, unhealthy: 0, total: 0 }, 'warn'],
  ])('%j is %s', async (health, status) => {
    expect((await run(poolProbe({ healthCheck: () => Promise.resolve(health) }))).status).toBe(status);
    expect((await run(poolProbe({ healthCheck: () => health }))).status).toBe(status);
  });

  test('a pool whose statistics throw fails; a value that is not a pool is rejected', async () => {
    const broken = { healthCheck: () => Promise.reject(new Error('closed')) };
    expect(await run(poolProbe(broken))).toMatchObject({ status: 'fail', output: 'closed' });
    expect(() => poolProbe({} as never)).toThrow(/healthCheck/);
  });
});

describe('peerProbe', () => {
  test.each([
    [200, 'pass', 'pass'],
    [200, 'warn', 'warn'],
    [503, 'fail', 'fail'],
  ])('a peer that answers %d %s is %s', async (code, said, status) => {
    const peer = http.createServer((_req, res) => {
      res.writeHead(code, { 'Content-Type': 'application/health+json' }).end(JSON.stringify({ status: said }));
    });
    await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
    const { port } = peer.address() as AddressInfo;
    expect((await run(peerProbe(`http://127.0.0.1:${port}/health`))).status).toBe(status);
    peer.close();
    expect(await run(peerProbe(`http://127.0.0.1:${port}/health`))).toMatchObject({
      status: 'fail',
      output: 'ECONNREFUSED',
    });
  });

  test('only http and https URLs are accepted', () => {
    expect(() => peerProbe('file:///etc/passwd')).toThrow(/http or https/);
    expect(() => peerProbe('reports')).toThrow(/http or https/);
  });
});
