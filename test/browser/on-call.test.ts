/** Ten tasks of an engineer on call, in Chromium, in front of a fleet with its default settings. Prints the clicks. */
import { setInterval } from 'node:timers/promises';
import type { Browser, Locator, Page } from 'playwright-core';
import { seriousFindings } from '../support/accessibility.js';
import { browserUnavailable, closePages, launchBrowser, openPage } from '../support/browser.js';
import { eventually, until } from '../support/eventually.js';
import { buildFleet, startFleet, type RunningFleet } from '../support/fleet.js';
import { describeUnless } from '../support/services.js';
import { describeTabs } from './tabs.js';

jest.setTimeout(240_000);

const PACE_MS = 300;
const USED = ['training/overview', 'training/status', 'reports/trends', 'capabilities/discovered'];

beforeAll(() => buildFleet());

/** Counts what a person does: each click, and each choice in a list. Typing is free. */
class Hand {
  clicks = 0;

  async click(target: Locator, options: Parameters<Locator['click']>[0] = {}): Promise<void> {
    this.clicks++;
    await target.click(options);
  }

  async choose(target: Locator, value: string): Promise<void> {
    this.clicks++;
    await target.selectOption(value);
  }
}

const told: string[] = [];

describeUnless(browserUnavailable(), 'on call', () => {
  let fleet: RunningFleet;
  let web: string;
  let browser: Browser;
  let end: AbortController;
  let using: Promise<void>;
  let wrongs: string[];
  let page: Page;
  let hand: Hand;

  beforeAll(async () => {
    // The one setting that is not a default: which header field names the user.
    fleet = await startFleet({ TRACE_HEADERS: 'x-user-id' });
    web = await fleet.urlOf('web');
    browser = await launchBrowser();
    end = new AbortController();
    using = use(web, end.signal);
    await stageIncident(fleet, web);
  });

  afterAll(async () => {
    end?.abort();
    await using;
    await browser?.close();
    await fleet?.stop();
    process.stdout.write(`on call: ${told.join('; ')}\n`);
  });

  beforeEach(async () => {
    ({ page, wrongs } = await openPage(browser));
    hand = new Hand();
    await page.goto(`${web}/`);
    await page.getByText(/^[●▲✕] Live/).waitFor();
  });

  afterEach(async () => {
    await closePages(browser);
    expect(wrongs.filter((wrong) => !wrong.includes('status of 404'))).toEqual([]);
  });

  const view = (name: string) => page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name });
  const rowOf = (table: string, text: RegExp | string) =>
    page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text }).first();
  const done = (task: string, most: number): void => {
    told.push(`${task} ${hand.clicks} of ${most}`);
    expect(hand.clicks).toBeLessThanOrEqual(most);
  };

  test('which service is slow and why, to the plan of its statement', async () => {
    await rowOf('Calls', 'web → training').getByText(/ m?s$/).waitFor();
    await hand.click(view('Queries'));
    await hand.click(page.getByRole('navigation', { name: 'Services' }).getByRole('link', { name: 'training' }));
    await hand.click(page.getByRole('table', { name: 'Statements' }).getByRole('rowheader').getByRole('link').first());
    await page.getByRole('heading', { name: 'Plan', exact: true }).waitFor();
    done('slow service to its plan', 5);
  });

  test('which request failed, and what the upstream said', async () => {
    await hand.click(view('Traces'));
    await hand.choose(page.getByLabel('Status'), 'error');
    await hand.click(page.getByRole('button', { name: 'Search' }));
    await hand.click(
      page
        .getByRole('table', { name: 'Traces' })
        .getByRole('link', { name: /meta-learning/ })
        .first(),
    );
    await page
      .getByText(/^web: [A-Z_]+: .*meta/)
      .first()
      .waitFor();
    done('failed request and its reason', 4);
  });

  test('why the last scaling decision', async () => {
    await hand.click(view('Scaling'));
    await rowOf('History', 'scale up').getByText('ordered by hand').waitFor();
    done('scaling decision', 2);
  });

  test('what the services logged for the failed request', async () => {
    await hand.click(view('Logs'));
    await hand.choose(page.getByLabel('Level'), 'warn');
    await page.getByLabel('Filter').fill('meta-learning');
    await page.waitForURL(/level=warn&text=meta-learning/);
    await page.getByRole('heading', { name: /^\d+ lines?, the newest last$/ }).waitFor();
    const lines = page.getByRole('list', { name: 'Log lines' });
    const failed = lines.getByRole('listitem').filter({ hasText: 'status=503' }).first();
    await hand.click(failed.getByRole('link', { name: 'trace' }));
    await hand.click(page.getByRole('link', { name: 'Log lines' }));
    await lines.getByText('status=503').first().waitFor();
    await page.waitForURL(/#\/logs\?trace=[0-9a-f]{32}/);
    done('lines of the failed request', 4);
  });

  test('the log is followed, is held for reading, and is shared by its address', async () => {
    await hand.click(view('Logs'));
    const lines = page.getByRole('list', { name: 'Log lines' });
    const last = lines.getByRole('listitem').last();
    // Without the link to the trace, which appears once a service has said that it keeps the trace.
    const newest = async () => (await last.innerText()).replace(/ trace$/, '');
    const before = await newest();
    await eventually(newest, (text) => text !== before);
    await lines.focus();
    await until(() => lines.evaluate((list) => list.scrollTop > 1000));
    await page.evaluate(`void (globalThis.continued = (${continueInTheMiddle})())`);
    await page.keyboard.press('Home');
    expect(await page.evaluate('continued')).toMatch(/^held:/);
    await page.getByText('following', { exact: true }).waitFor();
    await page.keyboard.press('p');
    await page.getByText(/^held:/).waitFor();
    const held = await newest();
    const begun = Date.now();
    await until(async () => {
      const answer = await fetch(`${web}/api/v1/dashboard/logs?from=${begun}&text=training/status`);
      return ((await answer.json()) as { lines: object[] }).lines.length > 1;
    });
    expect(await newest()).toBe(held);
    await page.keyboard.press('/');
    await page.keyboard.type('training !overview');
    await page.waitForURL(/text=training\+%21overview/);
    await lines
      .getByText(/training\/status/)
      .first()
      .waitFor();
    expect(await lines.getByText(/overview/).count()).toBe(0);
    done('log followed', 1);
    const colleague = await openPage(browser);
    await colleague.page.goto(page.url());
    await colleague.page
      .getByRole('list', { name: 'Log lines' })
      .getByText(/training\/status/)
      .first()
      .waitFor();
    expect(await colleague.page.getByLabel('Filter').inputValue()).toBe('training !overview');
    await colleague.page.context().close();
  });

  test('which client is limited', async () => {
    await hand.click(view('Limits'));
    const row = rowOf('Rejected clients', 'GET /api/v1/training/*path').filter({ hasText: '127.0.0.1' });
    await row.getByText('client', { exact: true }).waitFor();
    done('limited client', 1);
  });

  test('an address is purged, and is gone everywhere', async () => {
    await eventually(
      async () => (await fetch(`${web}/api/v1/capabilities/discovered`)).headers.get('cache-status') ?? '',
      (status) => status.includes('; hit'),
    );
    await hand.click(view('Caches'));
    await hand.choose(page.getByLabel('By'), 'pattern');
    await page.getByLabel('What').fill('/api/v1/capabilities/never-asked-for*');
    await hand.click(page.getByRole('button', { name: 'Purge…' }));
    await page.getByText('No entry matches.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByLabel('What').fill('/api/v1/capabilities/discovered*');
    await page.getByLabel('What').press('Enter');
    await page.getByText(/^This removes \d+ entr(y|ies) in \d services?: .*web/).waitFor();
    await hand.click(page.getByRole('button', { name: 'Purge everywhere' }));
    await page.getByText(/No matching entry is stored now\.|stored again meanwhile/).waitFor();
    done('purge of an address', 4);
  });

  test("a route's latency now and an hour ago", async () => {
    await hand.click(view('Traffic'));
    await hand.click(
      page.getByRole('table', { name: 'Routes of web' }).getByRole('link', { name: 'GET /api/v1/training/*path' }),
    );
    await hand.choose(page.getByLabel('Compare with'), '1h');
    await page.getByRole('img', { name: /^Latency, now: .*p95 .*, p95, an hour before/ }).waitFor();
    done('latency compared', 3);
  });

  test('all traces of one user', async () => {
    await hand.click(view('Traces'));
    await page.getByLabel('Attributes').fill('http.request.header.x-user-id:ada');
    await hand.click(page.getByRole('button', { name: 'Search' }));
    await page.getByRole('table', { name: 'Traces' }).getByRole('rowheader').first().waitFor();
    done("a user's traces", 3);
  });

  test('a colleague opens a link and sees the same time range', async () => {
    await page.goto(`${web}/#/traffic?service=training`);
    await page.getByRole('table', { name: 'Routes of training' }).waitFor();
    await hand.click(page.getByRole('button', { name: 'Pause' }));
    await page.waitForURL(/since=\d+&until=\d+/);
    const shown = await page.locator('.range-bar .muted').innerText();
    const colleague = await openPage(browser);
    await colleague.page.goto(page.url());
    await colleague.page.getByText(shown).waitFor();
    await colleague.page.getByRole('table', { name: 'Routes of training' }).waitFor();
    await colleague.page.context().close();
    done('shared link', 1);
  });

  test('what was changed before the errors began', async () => {
    await hand.click(view('Traffic'));
    await rowOf('Events', /meta.*stop|stop.*meta/).waitFor();
    done('what was changed', 2);
  });

  test('what its panels show is accessible, also to the keyboard', async () => {
    await page.goto(`${web}/#/traffic`);
    const chart = page.getByRole('img', { name: /^Requests per second, now/ });
    await chart.locator('.u-over').waitFor(); // the chart is drawn later than it is there
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.cursor-text[role=status]').first().waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/traces\?.*from=\d+/);
    for (const address of ['#/fleet/training-1', '#/scaling/training', '#/traffic?range=7d']) {
      await page.goto(`${web}/${address}`);
      await page.getByRole('table').first().waitFor();
      expect({ address, findings: await seriousFindings(page) }).toEqual({ address, findings: [] });
    }
  });

  describeTabs(() => ({ browser, web }));

  test('which instance is unhealthy, and its last lines', async () => {
    const ill = (await fleet.instances()).find(({ service }) => service === 'coach')!;
    process.kill(ill.pid!, 'SIGSTOP');
    try {
      await hand.click(page.getByRole('link', { name: /coach/ }).and(page.locator('.connection a')));
      await page.getByRole('heading', { name: /^coach-1/ }).waitFor();
      await page.getByRole('list', { name: 'Last lines of coach-1' }).getByRole('listitem').first().waitFor();
      done('unhealthy instance', 1);
    } finally {
      process.kill(ill.pid!, 'SIGCONT');
    }
    await until(async () => (await page.title()).startsWith('Fleet'));
  });
});

/** Presses the button while the browser still scrolls, which it does in steps; gives the state before, once it has stopped. */
const continueInTheMiddle = `async () => {
  const list = document.querySelector('[aria-label="Log lines"]');
  const next = (name) => new Promise((resolve) => list.addEventListener(name, resolve, { once: true }));
  const frame = () => new Promise(requestAnimationFrame);
  await next('scroll');
  const ended = next('scrollend');
  await frame();
  await frame();
  const state = document.querySelector('.panel-head [role=status]').textContent;
  document.querySelector('[data-pause]').click();
  await ended;
  return state;
}`;

/**
 * Stops a service while it is being used, sends a burst above the limit, and scales another service. The history has
 * it up to ten seconds later: the pages show it then, and nothing before waits for it.
 */
async function stageIncident(fleet: RunningFleet, web: string): Promise<void> {
  const post = (path: string) => fetch(`${web}/api/v1/system/${path}`, { method: 'POST' });
  const outage = async () => {
    await post('services/meta/stop');
    await fetch(`${web}/api/v4/meta-learning/report`);
    await post('services/meta/start');
  };
  const userIsTraced = until(async () => {
    // One user's requests, until one in ten of them is among the kept traces.
    await fetch(`${web}/api/v1/training/overview`, { headers: { 'x-user-id': 'ada' } });
    const found = await fetch(`${web}/api/v1/dashboard/traces?q=http.request.header.x-user-id:ada`);
    return ((await found.json()) as { traces: object[] }).traces.length > 0;
  });
  await Promise.all([userIsTraced, post('scale/segmentation/up'), outage()]);
  await Promise.allSettled(Array.from({ length: 200 }, () => fetch(`${web}/api/v1/training/status`)));
  const instances = await fleet.instances();
  if (instances.length < 9) throw new Error(`expected nine instances or more, got ${instances.length}`);
}

/** Asks the fleet for something again and again, at a pace below its limits. */
async function use(web: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of setInterval(PACE_MS, undefined, { signal }))
      await Promise.allSettled(USED.map(async (path) => (await fetch(`${web}/api/v1/${path}`)).arrayBuffer()));
  } catch {
    // ended
  }
}
