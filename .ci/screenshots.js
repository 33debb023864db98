// The pictures of docs/images/: a fleet of its own, used for a while, seen by Chromium.
//   npm run build && node .ci/screenshots.js
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { requireChromium } from './chromium.cjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const images = join(root, 'docs/images');
const dataDir = mkdtempSync(join(tmpdir(), 'tooloo-screenshots-'));

const SERVICES = [
  'WEB',
  'TRAINING',
  'META',
  'BUDGET',
  'COACH',
  'SEGMENTATION',
  'REPORTS',
  'CAPABILITIES',
  'ORCHESTRATOR',
];
const USE_MS = 90_000;
const VIEWPORT = { width: 1360, height: 850 };
/** What the bar on top covers, and some air. */
const BELOW_BAR = 90;
const TELEPHONE = { width: 360, height: 740 };

const CONVERSATION = [
  { content: 'The cache answers before the limiter does, so refused clients still get pages.' },
  { content: 'Then the limiter goes first, and the cache behind it.' },
  { content: 'What do we cook on Friday? I would like soup.' },
];

/** What the fleet is asked for in turn, as its users would. */
function requests(web, n) {
  const learner = ['ada', 'ben', 'chi'][n % 3];
  const post = (path, body) => [
    path,
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
  ];
  return [
    ['/api/v1/training/overview'],
    [`/api/v1/training/progress?learner=${learner}`],
    ['/api/v1/training/status'],
    ['/api/v1/reports/trends'],
    ['/api/v1/reports/performance'],
    ['/api/v4/meta-learning/report'],
    ['/api/v1/capabilities/discovered'],
    ['/api/v1/capabilities/list'],
    post('/api/v1/training/start', { learner, topics: ['sums', 'fractions'] }),
    post('/api/v1/segmentation/analyze', { messages: CONVERSATION }),
    ...(n === 100 ? [post('/api/v1/providers/policy', { concurrency: 2 + (n % 3) })] : []),
  ].map(([path, options]) => fetch(web + path, options).then((answer) => answer.arrayBuffer()));
}

async function use(web) {
  const end = performance.now() + USE_MS;
  for (let n = 0; performance.now() < end; n++) {
    await Promise.allSettled(requests(web, n));
    await pause(60 + 240 * Math.abs(Math.sin(n / 40)));
  }
}

/** One that says much: over three services, with queries. */
async function tellingTrace(web) {
  const answer = await fetch(`${web}/api/v1/dashboard/traces?service=meta&limit=200`);
  const { traces } = await answer.json();
  const asked = traces.filter(({ operation }) => operation.includes('meta-learning'));
  const [first] = asked.sort((a, b) => b.services.length - a.services.length || b.duration - a.duration);
  return first.traceId;
}

/** @param table the name of the table at the top of the picture; by default, the picture begins at the top of the page */
async function shoot(page, web, name, hash, table) {
  await page.goto(`${web}/${hash}`);
  await page.getByRole('table').or(page.getByRole('figure')).first().waitFor();
  await pause(2500); // one more frame, so that charts have it
  if (table !== undefined) {
    const { y } = await page.getByRole('region', { name: table }).boundingBox();
    await page.mouse.wheel(0, y - BELOW_BAR);
    await pause(500);
  }
  await page.screenshot({ path: join(images, `${name}.png`) });
}

async function fleetUrl(orchestrator) {
  const [{ port }] = await once(orchestrator, 'message');
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/system/instances`);
  const { instances } = await answer.json();
  const { host, port: webPort } = instances.find(({ service }) => service === 'web');
  return `http://${host}:${webPort}`;
}

mkdirSync(images, { recursive: true });
const orchestrator = spawn(process.execPath, ['dist/servers/orchestrator.js'], {
  cwd: root,
  env: {
    ...process.env,
    ...Object.fromEntries(SERVICES.map((name) => [`${name}_PORT`, '0'])),
    DATA_DIR: dataDir,
    CONTROL: 'loopback',
    TRACE_SAMPLING_RATE: '1',
    MAX_IN_FLIGHT: 'adaptive',
    RATE_LIMIT_CAPACITY: '100000',
    RATE_LIMIT_REFILL_PER_SECOND: '100000',
  },
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
try {
  const web = await fleetUrl(orchestrator);
  const browser = await chromium.launch({
    executablePath: requireChromium(),
    args: ['--no-sandbox', '--disable-gpu'],
  });
  const pages = await Promise.all(
    [
      { colorScheme: 'light', viewport: VIEWPORT },
      { colorScheme: 'dark', viewport: VIEWPORT },
      { colorScheme: 'light', viewport: TELEPHONE },
    ].map(async (options) => {
      const page = await browser.newPage(options);
      await page.goto(web);
      return page;
    }),
  );
  const [light, dark, telephone] = pages;
  const using = use(web);
  const control = (path) => fetch(`${web}/api/v1/system/${path}`, { method: 'POST' });
  await pause(USE_MS - 55_000);
  // An incident: the pictures show how an outage and a scaling step look on every chart.
  await control('services/meta/stop');
  await pause(8_000);
  await control('services/meta/start');
  await control('scale/training/up');
  await pause(17_000);
  await shoot(light, web, 'fleet', '#/fleet');
  await shoot(dark, web, 'fleet-dark', '#/fleet');
  await shoot(light, web, 'traffic', '#/traffic?service=web');
  await shoot(dark, web, 'trace', `#/traces/${await tellingTrace(web)}`);
  await shoot(light, web, 'scaling', '#/scaling/training');
  await shoot(dark, web, 'queries', '#/queries?service=training');
  await shoot(light, web, 'caches', '#/caches', 'Invalidations between the services');
  await shoot(dark, web, 'limits', `#/limits?slot=${encodeURIComponent('web → training')}`);
  await shoot(telephone, web, 'telephone', '#/fleet');
  await using;
  await browser.close();
} finally {
  orchestrator.kill('SIGINT');
  await once(orchestrator, 'exit');
  rmSync(dataDir, { recursive: true, force: true });
}
