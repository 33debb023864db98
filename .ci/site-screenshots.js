// The pictures of the documentation site in docs/images/: its home, a guide and a page of the API reference.
//   npm run docs:build && node .ci/site-screenshots.js
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { requireChromium } from './chromium.cjs';

const docs = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs');
const PORT = 4_173;
const site = `http://127.0.0.1:${PORT}`;

const WIDE = { width: 1360, height: 850 };
const PHONE = { width: 360, height: 740 };
const PICTURES = [
  { name: 'site-home', path: '/', viewport: WIDE },
  { name: 'site-guide', path: '/rate-limiting', viewport: WIDE, colorScheme: 'dark' },
  { name: 'site-api', path: '/api/rate-limiting#ratelimiter', viewport: WIDE },
  { name: 'site-home-phone', path: '/', viewport: PHONE },
  { name: 'site-guide-phone', path: '/rate-limiting', viewport: PHONE },
  { name: 'site-api-phone', path: '/api/rate-limiting#ratelimiter', viewport: PHONE },
];

async function untilServed() {
  while (!(await fetch(site).catch(() => undefined))?.ok) await pause(200);
}

const program = join(docs, 'node_modules/vitepress/bin/vitepress.js');
const server = spawn(process.execPath, [program, 'preview', docs, '--port', String(PORT)], { stdio: 'ignore' });
try {
  await untilServed();
  const browser = await chromium.launch({
    executablePath: requireChromium(),
    args: ['--no-sandbox', '--disable-gpu'],
  });
  for (const { name, path, viewport, colorScheme = 'light' } of PICTURES) {
    const page = await browser.newPage({ viewport, colorScheme });
    await page.goto(site + path, { waitUntil: 'networkidle' });
    await page.screenshot({ path: join(docs, 'images', `${name}.png`) });
    await page.close();
  }
  await browser.close();
} finally {
  server.kill();
}
