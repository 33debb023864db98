/** The cost of the pages on the wire, and many tabs at once, in front of a real web server with its default settings. */
import type { Browser, Page } from 'playwright-core';
import { openPage } from '../support/browser.js';
import { eventually } from '../support/eventually.js';

const KILOBYTE = 1024;

/** Adds the tests to a suite that has such a server. */
export function describeTabs(at: () => { readonly browser: Browser; readonly web: string }): void {
  test('the first paint transfers less than 100 KB, as the browser measures it', async () => {
    const { browser, web } = at();
    const { page, wrongs } = await openPage(browser);
    await page.goto(`${web}/`);
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    const transferred: { name: string; transferSize: number; encodedBodySize: number; decodedBodySize: number }[] =
      await page.evaluate(`[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter(({ name }) => !name.includes('/api/'))
        .map(({ name, transferSize, encodedBodySize, decodedBodySize }) => ({ name, transferSize, encodedBodySize, decodedBodySize }))`);
    const names = transferred.map(({ name }) => new URL(name).pathname);
    expect(names).toEqual(expect.arrayContaining(['/', '/dashboard.js', '/dashboard.css']));
    for (const { encodedBodySize, decodedBodySize } of transferred)
      expect(encodedBodySize).toBeLessThan(decodedBodySize);
    const bytes = transferred.reduce((sum, { transferSize }) => sum + transferSize, 0);
    process.stdout.write(`control room, first paint: ${bytes} bytes in ${names.length} files\n`);
    expect(bytes).toBeLessThan(100 * KILOBYTE);
    expect(wrongs).toEqual([]);
  });

  test('ten tabs follow the fleet over one stream, and go on when the one that reads it is closed', async () => {
    const { browser, web } = at();
    const { page, wrongs } = await openPage(browser);
    await page.goto(`${web}/#/fleet`);
    await page.getByText(/^[●▲✕] Live/).waitFor();
    const streams: string[] = [];
    const count = (one: Page) =>
      one.on('request', (asked) => {
        if (asked.url().endsWith('/dashboard/stream')) streams.push(asked.url());
      });
    const tabs = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const tab = await page.context().newPage();
        count(tab);
        await tab.goto(`${web}/#/limits`);
        await tab.getByRole('table', { name: 'Limiters' }).waitFor();
        return tab;
      }),
    );
    expect(streams).toEqual([]);
    await page.close();
    await Promise.all(tabs.map((tab) => tab.getByText(/^[●▲✕] Live/).waitFor()));
    const frameOf = (tab: Page) => tab.getByRole('table', { name: 'Limiters' }).innerText();
    const before = await frameOf(tabs[8]!);
    await fetch(`${web}/api/v1/training/overview`); // counted by a limiter: the pages themselves are not
    await eventually(
      () => frameOf(tabs[8]!),
      (now) => now !== before,
    );
    expect(streams).toHaveLength(1);
    expect(wrongs).toEqual([]);
  });
}
