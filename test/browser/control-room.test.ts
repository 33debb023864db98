/** The control room in a real browser, in front of a real fleet that is being used. */
import { setInterval } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { VIEWS, type View } from '../../servers/dashboard/model/location.js';
import { seriousFindings } from '../support/accessibility.js';
import { browserUnavailable, closePages, launchBrowser, openPage } from '../support/browser.js';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { describeUnless } from '../support/services.js';

jest.setTimeout(120_000);

/** The table or list of each view that is there when all of it is. */
const LAST_TO_COME: Readonly<Record<View, readonly [role: 'table' | 'list', name: string]>> = {
  fleet: ['table', 'Calls'],
  traffic: ['table', 'Routes of web'],
  traces: ['table', 'Traces'],
  logs: ['list', 'Log lines'],
  caches: ['table', 'Hottest keys'],
  limits: ['table', 'Busiest clients'],
  scaling: ['table', 'Services'],
  queries: ['table', 'Statements'],
};

/** What the fleet is asked for all the time, and how often. */
const USED = ['training/overview', 'training/status', 'reports/trends'];
const PACE_MS = 250;

beforeAll(() => buildFleet());

describeUnless(browserUnavailable(), 'in Chromium', () => {
  let fleet: RunningFleet;
  let web: string;
  let browser: Browser;
  let stopUsing: () => Promise<void>;

  beforeAll(async () => {
    fleet = await startFleet({
      // The port must stay the same after a restart, because the page reconnects to it.
      WEB_PORT: String(await freePort()),
      SCALING_INTERVAL_MS: '0',
      TRACE_SAMPLING_RATE: '1',
      MAX_IN_FLIGHT: 'adaptive',
      RATE_LIMIT_CAPACITY: '100000',
      RATE_LIMIT_REFILL_PER_SECOND: '100000',
      RATE_LIMIT_SERVICE_CAPACITY: '100000',
    });
    web = await fleet.urlOf('web');
    stopUsing = use(web);
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await stopUsing?.();
    await fleet?.stop();
  });

  afterEach(() => closePages(browser));

  const open = async (hash: string, options: Parameters<typeof openPage>[1] = {}) => {
    const opened = await openPage(browser, options);
    await opened.page.goto(`${web}/${hash}`);
    await opened.page.getByText(/^[●▲✕] Live/).waitFor();
    return opened;
  };
  const complete = async (page: Page, view: View) => {
    const [role, name] = LAST_TO_COME[view];
    await page.getByRole(role, { name }).first().waitFor();
  };
  const rowOf = (page: Page, table: string, name: string) =>
    page
      .getByRole('table', { name: table })
      .getByRole('row')
      .filter({ has: page.getByRole('rowheader', { name, exact: true }) });

  test('load moves the figures, and arrows show who asks whom', async () => {
    const { page, wrongs } = await open('#/fleet');
    await rowOf(page, 'Calls', 'web → training').waitFor();
    await rowOf(page, 'Instances', 'training-1')
      .getByText(/^[1-9][\d.]*\/s$/)
      .waitFor();
    await page.locator('svg .arrow').first().waitFor();
    await page.getByRole('link', { name: 'training-1' }).click();
    await rowOf(page, 'Probes: pass', 'database').getByText('pass').waitFor();
    await page.getByRole('list', { name: 'Last lines of training-1' }).getByText('request').first().waitFor();
    expect(wrongs).toEqual([]);
  });

  test('a point of a chart opens the traces behind it, and one of them is a waterfall over the services', async () => {
    const { page, wrongs } = await open('#/traffic?service=training');
    await rowOf(page, 'Routes of training', 'GET /api/v1/training/overview').waitFor();
    const plot = page.getByRole('img', { name: /^Requests per second, now/ }).locator('.u-over');
    const box = (await plot.boundingBox())!;
    await plot.click({ position: { x: box.width - 2, y: box.height / 2 } });
    await page.waitForURL(/#\/traces\?service=training&from=\d+&to=\d+$/);
    const request = page
      .getByRole('table', { name: 'Traces' })
      .getByRole('link', { name: /^GET \/api\/v1\/training\/(overview|status)$/ });
    await request.first().click();
    await page.waitForURL(/#\/traces\/[0-9a-f]{32}$/);
    const waterfall = page.getByRole('region', { name: 'Waterfall' });
    await waterfall.getByRole('link', { name: /^GET \/api\/v1\/training\/(overview|status), level 3$/ }).waitFor();
    expect(await waterfall.locator('.span-bar.critical').count()).toBeGreaterThan(1);
    const forwarded = waterfall.getByRole('button', { name: 'The spans below forward → training-1' });
    await forwarded.click();
    await waterfall.getByRole('link', { name: /, level 3$/ }).waitFor({ state: 'detached' });
    await forwarded.click();
    await waterfall
      .getByRole('link', { name: /^select/ })
      .first()
      .click();
    await page.getByText(/ calls, .* failed,/).waitFor();
    await page.getByLabel('Find in trace').fill('select');
    await page.getByText(/^[1-9]\d* of \d+ spans$/).waitFor();
    await page.getByRole('button', { name: 'Pin' }).click();
    await page.getByRole('link', { name: '← Traces' }).click();
    await page.waitForURL(/#\/traces\?service=training&from=\d+&to=\d+$/);
    const pinned = page.getByRole('table', { name: 'Pinned in this browser' });
    await pinned.getByRole('link', { name: /^GET \/api\/v1\/training\/(overview|status)$/ }).click();
    await page.getByRole('button', { name: 'Pinned', pressed: true }).click();
    await page.getByRole('button', { name: 'Pin', pressed: false }).waitFor();
    expect(wrongs).toEqual([]);
  });

  test('a service is scaled up and down by its buttons', async () => {
    const { page, wrongs } = await open('#/scaling');
    await page.getByRole('button', { name: 'Scale segmentation up' }).click();
    await page.getByText('segmentation has 2 instances now.').waitFor();
    await page.goto(`${web}/#/fleet`);
    await rowOf(page, 'Instances', 'segmentation-2').getByText('ready').waitFor();
    await page.goto(`${web}/#/scaling/segmentation`);
    await page.getByRole('button', { name: 'Scale segmentation down' }).click();
    await page.getByRole('dialog').getByText('segmentation has 2 instances.').waitFor();
    await page.getByRole('button', { name: 'Scale down', exact: true }).click();
    await page.getByText('segmentation has 1 instance now.').waitFor();
    await rowOf(page, 'History', 'scale down').first().waitFor();
    expect((await fleet.instances()).filter(({ service }) => service === 'segmentation')).toHaveLength(1);
    expect(wrongs).toEqual([]);
  });

  test('a service is restarted and started from the panel of its instance', async () => {
    const pidOf = async () => (await fleet.instances()).find(({ service }) => service === 'coach')?.pid;
    const before = await pidOf();
    const { page, wrongs } = await open('#/fleet/coach-1');
    await page.getByRole('button', { name: 'Restart coach' }).click();
    await page.getByRole('dialog').getByText('A substitute serves').waitFor();
    await page.getByRole('button', { name: 'Restart', exact: true }).click();
    await page.getByText('coach was restarted: 1 of 1 ready.').waitFor();
    expect(await pidOf()).not.toBe(before);
    await fetch(`${fleet.orchestrator}/api/v1/system/services/coach/stop`, { method: 'POST' });
    await page.getByRole('button', { name: 'Start coach', exact: true }).click();
    await page.getByText('coach was started: 1 of 1 ready.').waitFor();
    expect(wrongs).toEqual([]);
  });

  test('a purge takes what is stored out of every cache', async () => {
    const { page, wrongs } = await open('#/caches');
    const discovered = `${web}/api/v1/capabilities/discovered?of=this-test`;
    const statusOf = async () => (await fetch(discovered)).headers.get('cache-status');
    await statusOf();
    expect(await statusOf()).toMatch(/; hit/);
    const purge = async (by: string, what: string) => {
      await page.getByLabel('By').selectOption(by);
      await page.getByLabel('What').fill(what);
      await page.getByRole('button', { name: 'Purge…' }).click();
      await page
        .getByRole('dialog', { name: `Purge the ${by} “${what}”?` })
        .getByText(/ match|^This removes /)
        .waitFor();
      await page.getByRole('button', { name: 'Purge everywhere' }).click();
      await page.getByText(`Purged the ${by} “${what}” in `).waitFor();
    };
    await page.getByLabel('By').selectOption('pattern');
    await page.getByLabel('What').fill('*');
    await page.getByLabel('What').press('Enter');
    await page.getByText(/^This removes [\d,]+ entries in \d services: /).waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Nothing was purged.').waitFor();
    expect(await statusOf()).toMatch(/; hit/);
    await purge('pattern', '/api/v1/capabilities/*');
    await page.getByText('No matching entry is stored now.').waitFor();
    expect(await statusOf()).not.toMatch(/; hit/);
    await purge('tag', 'provider');
    await page.getByText(/in .*budget-1/).waitFor();
    const purged = rowOf(page, 'Invalidations', 'tag provider').filter({ hasText: 'by hand' }).first();
    for (const instance of ['web-1', 'budget-1', 'reports-1']) await purged.getByText(instance).waitFor();
    expect(wrongs).toEqual([]);
  });

  test('what is asked of the caches most is shown, and where an invalidation went and who has confirmed it', async () => {
    const { page, wrongs } = await open('#/caches');
    await fetch(`${web}/api/v1/capabilities/discovered?of=s3cret`);
    const keys = page.getByRole('table', { name: 'Hottest keys' });
    await keys
      .getByText(/^GET \/api\/v1\/capabilities\/discovered\?#[0-9a-f]{12} /)
      .first()
      .waitFor();
    expect(await page.getByText('s3cret').count()).toBe(0);
    const policy = await fetch(`${web}/api/v1/providers/policy`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ concurrency: 3 }),
    });
    expect(policy.status).toBeLessThan(300);
    const published = page.getByRole('table', { name: 'Invalidations, the latest first' }).getByRole('row');
    const told = published.filter({ hasText: 'pattern provider:*' }).filter({ hasText: 'budget-1' }).first();
    await told.getByText('2 of 2').waitFor();
    await rowOf(page, 'Invalidations between the services', 'budget-1').getByText('2 of 2 peers').waitFor();
    expect(wrongs).toEqual([]);
  });

  test('traces are searched by attributes, and what cannot be read is said to be so', async () => {
    const { page, wrongs } = await open('#/traces');
    const search = async (line: string) => {
      await page.getByLabel('Attributes').fill(line);
      await page.getByRole('button', { name: 'Search' }).click();
    };
    await search('http.request.method:GET status:200 route:/api/v1/training/status');
    const traces = page.getByRole('table', { name: 'Traces' });
    await traces.getByRole('link', { name: 'GET /api/v1/training/status' }).first().waitFor();
    await search('http.request.method:DELETE');
    await page.getByText('No trace matches.').waitFor();
    await page.getByLabel('Attributes').fill('not sent yet');
    await page.waitForResponse((response) => response.url().includes('/dashboard/traces?'));
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    expect(await page.getByLabel('Attributes').inputValue()).toBe('not sent yet');
    expect(wrongs).toEqual([]);
    await search('slow ones');
    await page.getByText(/'slow': expected name:value/).waitFor();
  });

  test('a limit that is found out is drawn beside what is in flight', async () => {
    const { page, wrongs } = await open('#/limits');
    await rowOf(page, 'Limits on requests in flight', 'web → training').getByText(/^\d+$/).first().waitFor();
    await page.getByRole('link', { name: 'web → training' }).click();
    await page.getByRole('img', { name: /^In flight, web → training, now: limit \d+, in flight \d+/ }).waitFor();
    await page.getByRole('img', { name: /^Waiting requests, now: / }).waitFor();
    expect(wrongs).toEqual([]);
  });

  test('the page shows that it lost the web server, and reconnects by itself', async () => {
    const { page } = await open('#/fleet');
    const { pid } = (await fleet.instances()).find(({ service }) => service === 'web')!;
    process.kill(pid!, 'SIGKILL');
    await page.getByText('Connection lost').waitFor();
    await page.getByText('This page reconnects by itself.').waitFor();
    await page.getByText(/^[●▲✕] Live/).waitFor();
    await rowOf(page, 'Instances', 'web-1').getByText('ready').waitFor();
    await page.getByText('This page reconnects by itself.').waitFor({ state: 'detached' });
  });

  test('every view is accessible in both themes', async () => {
    const { page, wrongs } = await open('#/fleet');
    for (const view of VIEWS) {
      await page.goto(`${web}/#/${view}`);
      await complete(page, view);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        const findings = await seriousFindings(page, colorScheme === 'light' ? 'all' : 'colours');
        expect({ view, colorScheme, findings }).toEqual({ view, colorScheme, findings: [] });
      }
    }
    expect(wrongs).toEqual([]);
  });

  test('every view fits the screen of a phone, and keys switch between the views', async () => {
    const { page, wrongs } = await open('#/fleet', { viewport: { width: 360, height: 740 } });
    for (const [i, view] of VIEWS.entries()) {
      await page.keyboard.press(String(i + 1));
      await page.waitForURL(new RegExp(`#/${view}$`));
      await complete(page, view);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      expect({ view, width }).toEqual({ view, width: 360 });
    }
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('t');
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('light');
    expect(wrongs).toEqual([]);
  });
});

/** Asks the fleet for something again and again, at a pace that leaves it time. Returns what ends it. */
function use(web: string): () => Promise<void> {
  const end = new AbortController();
  const using = (async () => {
    for await (const _ of setInterval(PACE_MS, undefined, { signal: end.signal })) {
      // A test kills the web server. Requests that fail meanwhile are not a failure of the load.
      await Promise.allSettled(USED.map(async (path) => (await fetch(`${web}/api/v1/${path}`)).arrayBuffer()));
    }
  })().catch(() => undefined); // ended
  return () => {
    end.abort();
    return using;
  };
}
