/** The documentation site as `npm run docs:build` writes it: accessible, and readable on a phone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { seriousFindings } from '../support/accessibility.js';
import { browserUnavailable, launchBrowser, openPage } from '../support/browser.js';
import { until } from '../support/eventually.js';
import { accepts, freePort } from '../support/free-port.js';
import { describeUnless } from '../support/services.js';

jest.setTimeout(180_000);

const docs = join(__dirname, '../../docs');
const VITEPRESS = join(docs, 'node_modules/vitepress/bin/vitepress.js');
const isBuilt = existsSync(VITEPRESS) && existsSync(join(docs, '.vitepress/dist/index.html'));
const PAGES = ['/', '/rate-limiting', '/api/rate-limiting'];
const PHONE = { viewport: { width: 360, height: 740 } };

describeUnless(browserUnavailable() ?? (isBuilt ? undefined : 'npm run docs:build was not run'), 'the site', () => {
  let server: ChildProcess;
  let browser: Browser;
  let site: string;

  beforeAll(async () => {
    const port = await freePort();
    site = `http://127.0.0.1:${port}`;
    server = spawn(process.execPath, [VITEPRESS, 'preview', docs, '--port', String(port)], { stdio: 'ignore' });
    await until(() => accepts(port), 'the site is not served');
    browser = await launchBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    server?.kill();
  });

  test.each(PAGES)('axe finds nothing serious on %s, neither in light nor in dark', async (path) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, wrongs } = await openPage(browser, { colorScheme });
      await page.goto(site + path, { waitUntil: 'networkidle' });
      expect(await seriousFindings(page)).toEqual([]);
      expect(wrongs).toEqual([]);
      await page.context().close();
    }
  });

  test.each(PAGES)('%s does not scroll sideways on a phone', async (path) => {
    const { page } = await openPage(browser, PHONE);
    await page.goto(site + path, { waitUntil: 'networkidle' });
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(PHONE.viewport.width);
    await page.context().close();
  });

  test('every page names itself and the kit in its title', async () => {
    const { page } = await openPage(browser);
    const titles: string[] = [];
    for (const path of PAGES) {
      await page.goto(site + path, { waitUntil: 'domcontentloaded' });
      titles.push(await page.title());
    }
    expect(new Set(titles).size).toBe(PAGES.length);
    for (const title of titles) expect(title).toContain('@tooloo/resilience');
    await page.context().close();
  });
});
