import { FleetHistory } from '../../servers/dashboard/model/history.js';
import { picture } from '../../servers/top/picture.js';
import { runTop } from '../../servers/top/run-top.js';
import { trainingServer } from '../../servers/training-server.js';
import { webServer } from '../../servers/web-server.js';
import type { Frame } from '../../servers/web/fleet-sampler.js';
import { until } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

let fleet: TestFleet;
let env: Record<string, string>;

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 100, rows: 30, written, write: (text: string) => written.push(text) };
}

beforeEach(async () => {
  fleet = testFleet();
  env = {
    CONTROL_TOKEN: 'a-control-token-of-the-test',
    WEB_PORT: String(await freePort()),
    TRAINING_PORT: String(await freePort()),
    RATE_LIMIT_CAPACITY: '100000',
  };
});

afterEach(() => fleet.close());

async function start(): Promise<void> {
  await (await fleet.create(trainingServer, { env })).listen();
  await (await fleet.create(webServer, { env })).listen();
}

test('without a terminal it prints one picture with figures, and ends', async () => {
  await start();
  const out = terminal(false);
  let isUsed = true;
  const using = (async () => {
    while (isUsed) await fetch(`http://127.0.0.1:${env['WEB_PORT']}/api/v1/training/status`).then((one) => one.text());
  })();
  expect(await runTop({ env, out })).toBe(0);
  isUsed = false;
  await using;
  const text = out.written.join('');
  expect(text).toMatch(/^TooLoo +\d\d:\d\d:\d\d +\d of 9 ready +no orchestrator answers\n/);
  expect(text).toMatch(/training 127\.0\.0\.1:\d+ +● ready/);
  expect(text).toMatch(/reports 127\.0\.0\.1:\d+ +\? silent/);
  // eslint-disable-next-line no-control-regex -- there is no terminal to obey them
  expect(text).not.toMatch(/\u001b/);
});

test('on a terminal it draws until it is ended, comes back when the server does, and leaves the cursor as it was', async () => {
  const out = terminal(true);
  const ending = new AbortController();
  const ended = runTop({ env, out, signal: ending.signal });
  await until(() => out.written.some((text) => text.includes('cannot be followed')));
  await start();
  await until(() => out.written.some((text) => text.includes('● ready')));
  ending.abort();
  expect(await ended).toBe(0);
  expect(out.written.at(-1)).toBe('\u001b[?25h');
});

test('says what to do where nothing answers', async () => {
  const err = terminal(false);
  expect(await runTop({ env, out: terminal(false), err })).toBe(1);
  expect(err.written.join('')).toMatch(/cannot be followed: .*Is the fleet running \(npm run dev\)\?/);
});

test('fits the terminal, and obeys nothing that a name says', () => {
  const history = new FleetHistory();
  const instances = Array.from({ length: 50 }, (_, i) => ({
    service: 'a',
    id: `\u001b[2Jone\u0007-${i}`,
    state: 'failed',
    figures: null,
  }));
  history.add({ at: 1, slotMs: 2000, isOrchestrated: true, instances, points: [], scaling: null } as unknown as Frame);
  const lines = picture(history, { columns: 40, rows: 10 });
  expect(lines).toHaveLength(10);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
  // eslint-disable-next-line no-control-regex -- they are what must not be there
  expect(lines.join('')).not.toMatch(/[\u0000-\u001f]/);
});
