/** The control room seen from afar, and in front of a service that was taken over. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { hrefOf, VIEWS } from '../../servers/dashboard/model/location.js';
import { browserUnavailable, closePages, launchBrowser, openPage } from '../support/browser.js';
import { buildFleet, FREE_PORTS } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { HOSTILE, HOSTILE_TRACE, startRogue, type RogueService } from '../support/rogue-service.js';
import { describeUnless } from '../support/services.js';

jest.setTimeout(120_000);

const ROOT = resolve(__dirname, '../..');
const CONTROL = 'a-control-token-of-the-test';
const LOOK = 'a-dashboard-token-of-the-test';

describeUnless(browserUnavailable(), 'in Chromium', () => {
  let folder: string;
  let rogue: RogueService;
  let server: ChildProcess;
  let web: string;
  let browser: Browser;

  beforeAll(async () => {
    buildFleet();
    folder = mkdtempSync(join(tmpdir(), 'tooloo-foreign-'));
    rogue = await startRogue();
    const port = await freePort();
    web = `http://127.0.0.1:${port}`;
    server = spawn(process.execPath, ['dist/servers/web-server.js'], {
      cwd: ROOT,
      env: {
        ...process.env,
        ...FREE_PORTS,
        WEB_PORT: String(port),
        TRAINING_PORT: String(rogue.port),
        DATA_DIR: folder,
        LOG_LEVEL: 'error',
        CONTROL_TOKEN: CONTROL,
        DASHBOARD_TOKEN: LOOK,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(server, 'message');
    browser = await launchBrowser();
  });

  afterEach(() => closePages(browser));

  afterAll(async () => {
    await browser?.close();
    server?.kill('SIGTERM');
    if (server?.exitCode === null) await once(server, 'exit');
    await rogue?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('from afar it asks for a token, shows what that opens in every tab, and forgets it with the last one', async () => {
    const fromAfar = { extraHTTPHeaders: { 'X-Forwarded-For': '203.0.113.9' } };
    const { page } = await openPage(browser, fromAfar);
    await page.goto(`${web}/#/caches`);
    await page.getByText('This control room asks for a token').waitFor();
    // Waits for it, because a tab may be live before it knows what its token allows.
    const purge = (one: Page, disabled: boolean) => one.getByRole('button', { name: 'Purge…', disabled }).waitFor();
    const give = async (token: string) => {
      await page.getByLabel('Token').locator('visible=true').last().fill(token);
      await page.getByRole('button', { name: 'Use it' }).locator('visible=true').last().click();
    };
    await give('a-token-that-is-guessed');
    await page.getByText('The server does not accept this token.').locator('visible=true').waitFor();
    await give(LOOK);
    await page.getByText(/^[●▲✕] Live/).waitFor();
    await purge(page, true);
    await page.getByRole('button', { name: 'Read-only' }).click();
    await give(CONTROL);
    await page.getByText('Accepted: you may act.').locator('visible=true').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await purge(page, false);

    const tab = await page.context().newPage();
    await tab.goto(`${web}/#/caches`);
    await tab.getByText(/^[●▲✕] Live/).waitFor();
    await purge(tab, false);
    await page.getByRole('button', { name: 'Control' }).click();
    await endsItsStream(page, () => give('a-token-that-is-guessed'));
    await page.getByText('The server does not accept this token.').locator('visible=true').waitFor();
    await tab.getByText(/^[●▲✕] Live/).waitFor();
    expect(await tab.getByRole('button', { name: 'Purge…' }).isEnabled()).toBe(true);
    await endsItsStream(tab, () => give(''));
    await tab.getByText('This control room asks for a token').waitFor();

    const another = await openPage(browser, fromAfar);
    await another.page.goto(`${web}/#/caches`);
    await another.page.getByText('This control room asks for a token').waitFor();
  });

  test('names chosen by a service, and the parameters of a link, are shown and never run', async () => {
    const { page, wrongs } = await openPage(browser, { extraHTTPHeaders: { Authorization: `Bearer ${CONTROL}` } });
    await page.goto(web);
    const instance = `training 127.0.0.1:${rogue.port}`;
    const places: ReadonlyArray<Parameters<typeof hrefOf>> = [
      ['fleet', [instance]],
      ['traces'],
      ['traces', [HOSTILE_TRACE, 'a']],
      ['traffic', [], { service: 'training' }],
      ['caches'],
      ['limits'],
      ['queries'],
      // Parameters that an attacker can put into a link.
      ['fleet', [HOSTILE]],
      ['traffic', [], { service: 'training', route: HOSTILE }],
      ['queries', [], { instance: HOSTILE, statement: HOSTILE }],
    ];
    for (const place of places) {
      await page.goto(`${web}/${hrefOf(...place)}`);
      await page.getByRole('heading', { level: 1, name: place[0] }).waitFor({ state: 'attached' });
      await page.locator('main').getByText(HOSTILE).locator('visible=true').first().waitFor();
    }
    for (const view of VIEWS) {
      const query = { service: HOSTILE, route: HOSTILE, status: HOSTILE, from: HOSTILE };
      await page.goto(`${web}/${hrefOf(view, [HOSTILE], query)}`);
      await page.getByRole('heading', { level: 1, name: view }).waitFor({ state: 'attached' });
    }
    expect(await page.locator('#app img, #app script').count()).toBe(0);
    // That something is not there, or not well asked for, is the one thing a console may say here.
    expect(wrongs.filter((wrong) => !/status of (400|404|502|503|504)/.test(wrong))).toEqual([]);
  });
});

/** The stream that a token has opened ends when the token is gone. */
async function endsItsStream(page: Page, act: () => Promise<void>): Promise<void> {
  const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/dashboard/stream'));
  await act();
  await ended;
}
