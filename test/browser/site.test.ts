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
const NOT_BUILT = 'npm run docs:build was not run';
const PAGES = ['/', '/rate-limiting', '/api/rate-limiting'];
const PHONE = { width: 360, height: 740 };

describeUnless(browserUnavailable() ?? (isBuilt ? undefined : NOT_BUILT), 'the site', () => {
  let server: ChildProcess;
  let browser: Browser;
  let site: string;
  const titles = new Set<string>();

  beforeAll(async () => {
    if (!isBuilt) throw new Error(NOT_BUILT); // at once, because no wait would find it
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

  const open = async (path: string) => {
    const opened = await openPage(browser);
    await opened.page.goto(site + path);
    // Set by the script of the page, once it has taken over what the server sent.
    await opened.page.waitForFunction("document.querySelector('#app')?.__vue_app__ !== undefined");
    return opened;
  };

  test.each(PAGES)('%s is accessible in both themes, and does not scroll sideways on a phone', async (path) => {
    const { page, wrongs } = await open(path);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.waitForFunction(`document.documentElement.classList.contains('dark') === ${colorScheme === 'dark'}`);
      const findings = await seriousFindings(page, colorScheme === 'light' ? 'all' : 'colours');
      expect({ colorScheme, findings }).toEqual({ colorScheme, findings: [] });
    }
    await page.setViewportSize(PHONE);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBeLessThanOrEqual(PHONE.width);
    titles.add(await page.title());
    expect(wrongs).toEqual([]);
    await page.context().close();
  });

  test('every page names itself and the kit in its title', () => {
    expect(titles.size).toBe(PAGES.length);
    for (const title of titles) expect(title).toContain('@tooloo/resilience');
  });
});
