/**
 * Shows an hour of fifty instances in the control room, as fast as the page accepts the frames. Its memory must not
 * grow after its half hour of history is full. Prints the cost of a frame.
 */
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { AddressInfo } from 'node:net';
import express, { type Response } from 'express';
import type { Server } from 'node:http';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { newTally, recordRequest } from '../../servers/support/tally.js';
import type { Frame, FrameInstance } from '../../servers/web/fleet-sampler.js';
import { FrameStream } from '../../servers/web/frame-stream.js';
import { TrafficMerge } from '../../servers/web/traffic-merge.js';
import { browserUnavailable, launchBrowser, openPage } from '../support/browser.js';
import { buildFleet } from '../support/fleet.js';
import { describeUnless } from '../support/services.js';

jest.setTimeout(600_000);

const INSTANCES = 50;
const ROUTES = 10;
/** Half an hour fills the history; another must not add to it. */
const HALF_AN_HOUR = 900;
/** Frames sent before the page is asked whether it has them: it draws once for all of them. */
const BURST = 30;
/** Frames sent one by one, as they come in life, to see what one costs. */
const SINGLES = 60;

/** The frame with the given number, which the first instance reports as the number of its restarts. */
function frameOf(number: number): Frame {
  const merge = new TrafficMerge();
  const instances = Array.from({ length: INSTANCES }, (_, i): FrameInstance => {
    const service = `service-${i % 10}`;
    const requests = Object.fromEntries(
      Array.from({ length: ROUTES }, (__, route) => {
        const tally = newTally();
        for (let n = 0; n < 5; n++)
          recordRequest(tally, {
            duration: 1 + ((number * 7 + route * n) % 90),
            status: n > 0 ? 200 : 500,
            traceId: 'ab'.repeat(16),
            kept: n === 0,
          });
        return [`GET /route-${route}`, tally];
      }),
    );
    merge.add(`${service}-${i}`, service, [
      { slot: number, requests, calls: { [`service-${(i + 1) % 10}`]: newTally() } },
    ]);
    const process = {
      cpu: 0.1,
      loop: 0.2,
      rss: 1e8,
      heapUsed: 5e7,
      inFlight: i,
      rate: 5,
      errorRate: 0,
      uptime: number,
    };
    const figures = { ...process, engines: { responses: { hits: number, misses: number } } };
    const place = { host: '127.0.0.1', port: 3000 + i, pid: i, reason: null, routing: null };
    return { service, id: `${service}-${i}`, state: 'ready', restarts: i === 0 ? number : 0, figures, ...place };
  });
  const points = merge.take(new Set(instances.map(({ id }) => id)));
  return { at: number * 2000, slotMs: 2000, isOrchestrated: true, missing: [], instances, points, scaling: {} };
}

describeUnless(browserUnavailable(), 'in Chromium', () => {
  let server: Server;
  let stream: FrameStream;
  let browser: Browser;
  let page: Page;
  let session: CDPSession;
  let sent = 0;

  beforeAll(async () => {
    buildFleet();
    stream = new FrameStream();
    const app = express();
    app.get('/api/v1/dashboard/access', (_req, res) => void res.json({ ok: true, read: true, control: false }));
    app.get('/api/v1/dashboard/stream', (_req, res: Response) => void stream.subscribe(res, undefined));
    app.use(express.static(resolve(__dirname, '../../dist/servers/dashboard')));
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    browser = await launchBrowser();
    ({ page } = await openPage(browser));
    session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });

  afterAll(async () => {
    await browser?.close();
    stream?.close();
    server?.closeAllConnections();
    server?.close();
  });

  async function send(frames: number, burst = BURST): Promise<void> {
    for (const end = sent + frames; sent < end;) {
      for (let n = 0; n < burst; n++) stream.publish(frameOf(++sent));
      const row = page
        .getByRole('row')
        .filter({ has: page.getByRole('rowheader', { name: 'service-0-0', exact: true }) });
      await row.getByText(String(sent), { exact: true }).waitFor();
    }
  }

  /** Bytes of script objects that are still reachable. */
  async function heap(): Promise<number> {
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  }

  async function taskSeconds(): Promise<number> {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  }

  test('an hour of updates leaves no memory behind', async () => {
    await send(HALF_AN_HOUR);
    const full = await heap();
    await send(HALF_AN_HOUR);
    const after = await heap();
    const before = await taskSeconds();
    await send(SINGLES, 1);
    const perFrame = ((await taskSeconds()) - before) / SINGLES;
    process.stdout.write(
      `control room, ${INSTANCES} instances: ${(1000 * perFrame).toFixed(1)} ms of the page's thread a frame, heap ${(full / 1e6).toFixed(1)} MB after half an hour, ${(after / 1e6).toFixed(1)} MB after an hour\n`,
    );
    expect(after).toBeLessThan(1.1 * full);
  });
});
