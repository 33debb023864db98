/** A real Chromium for a suite, and pages that tell everything that went wrong in them. */
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { findChromium, requireChromium } from '../../.ci/chromium.cjs';

/** Nothing but what a page does itself: no updates, no reports, no first-run pages. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Milliseconds a condition may take to come about before a test fails: a busy machine is slow, not wrong. */
const PATIENCE = 30_000;

/** Why there can be no browser here; undefined when there can. */
export function browserUnavailable(): string | undefined {
  return findChromium() === undefined ? 'no Chromium is installed' : undefined;
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: requireChromium(), args: FLAGS });
}

/**
 * Closes the pages that a test opened. An open page follows the fleet and draws every frame: those of earlier tests would
 * take most of the processor from the later ones.
 */
export async function closePages(browser: Browser): Promise<void> {
  await Promise.all(browser.contexts().map((context) => context.close()));
}

/** Runs in the page, before anything of its own. */
const TELL_VIOLATIONS = `addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  tellViolation(violatedDirective + ' ' + blockedURI))`;

export interface WatchedPage {
  readonly page: Page;
  /** Errors of scripts and of the console, and what the page's policy refused. */
  readonly wrongs: string[];
}

/** A page in a context, and so a storage, of its own. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrongs: string[] = [];
  page.on('pageerror', (error) => wrongs.push(`script: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') wrongs.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('dialog', (dialog) => {
    wrongs.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.exposeFunction('tellViolation', (text: string) => wrongs.push(`policy: ${text}`));
  await page.addInitScript(TELL_VIOLATIONS);
  return { page, wrongs };
}
