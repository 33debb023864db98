import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { runTop } from '../../../servers/top/run-top.js';
import type { FleetSummary } from '../../../servers/top/summary.js';
import { keyName } from '../../../servers/top/terminal.js';
import { trainingServer } from '../../../servers/training-server.js';
import { webServer } from '../../../servers/web-server.js';
import { bundleProgram } from '../../support/bundled-child.js';
import { until } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { testFleet, type TestFleet } from '../../support/fleet-server.js';
import { describeUnless } from '../../support/services.js';

/** Milliseconds between requests of a load, which would otherwise keep a processor busy for several frames. */
const PACE_MS = 50;
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';

let fleet: TestFleet;
let env: Record<string, string>;

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 100, rows: 30, written, write: (text: string) => written.push(text) };
}

/** A keyboard: text written to it counts as typed. */
function keyboard() {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (isRaw: boolean) => modes.push(isRaw) });
  return { input, modes };
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

/** Prints once while the training service is used. */
async function printed(...args: string[]): Promise<string> {
  const out = terminal(false);
  let isUsed = true;
  const using = (async () => {
    while (isUsed) {
      await fetch(`http://127.0.0.1:${env['WEB_PORT']}/api/v1/training/status`).then((one) => one.text());
      await pause(PACE_MS);
    }
  })();
  expect(await runTop({ env, out, args })).toBe(0);
  isUsed = false;
  await using;
  return out.written.join('');
}

test('without a terminal it prints the latest frame, and ends', async () => {
  await start();
  const text = await printed();
  expect(text).toMatch(/^TooLoo +\d\d:\d\d:\d\d +\d of 9 ready .*the orchestrator does not answer\n/);
  expect(text).toMatch(/training 127\.0\.0\.1:\d+ +● ready/);
  expect(text).toMatch(/reports 127\.0\.0\.1:\d+ +\? silent/);
  // eslint-disable-next-line no-control-regex -- without a terminal they must be absent
  expect(text).not.toMatch(/\u001b/);
  const asked = Date.now();
  const later = JSON.parse(await printed('--json')) as FleetSummary;
  expect(later.at).toBeGreaterThanOrEqual(asked); // not one that the server still held
  expect(later.instances.find(({ service }) => service === 'training')).toMatchObject({ state: 'ready' });
  expect(later.health.total).toBe(9);
});

test('on a terminal it draws until it ends, reconnects to a restarted server, and restores the terminal', async () => {
  const out = terminal(true);
  const ending = new AbortController();
  const ended = runTop({ env, out, args: [], input: new PassThrough(), signal: ending.signal });
  await until(() => out.written.some((text) => text.includes('cannot be followed')));
  await start();
  await until(() => out.written.some((text) => text.includes('● ready')));
  ending.abort();
  expect(await ended).toBe(0);
  expect(out.written[0]).toBe(ENTER);
  expect(out.written.at(-1)).toBe(LEAVE);
});

test('it reacts to keys that filter, open an instance with its probes, and quit', async () => {
  await start();
  const out = terminal(true);
  const { input, modes } = keyboard();
  const ended = runTop({ env: { ...env, NO_COLOR: '1' }, out, args: [], input });
  await until(() => out.written.some((text) => text.includes('● ready')));
  input.write('/train\r');
  await until(() => out.written.at(-1)!.includes('(1 of 9)'));
  input.write('\r');
  await until(() => / pass /.test(out.written.at(-1)!), 'no probe passed');
  expect(out.written.at(-1)).toContain('Event loop busy');
  input.write('q');
  expect(await ended).toBe(0);
  expect(modes).toEqual([true, false]);
  expect(out.written.at(-1)).toBe(LEAVE);
  expect(input.listenerCount('keypress')).toBe(0);
});

test.each([
  ['G', { name: 'g', shift: true }, 'G'],
  [undefined, { name: 'up' }, 'up'],
  ['\t', { name: 'tab', shift: true }, 'shift-tab'],
  ['\u0003', { name: 'c', ctrl: true }, 'ctrl-c'],
  ['\n', { name: 'enter' }, 'return'],
  [' ', { name: 'space' }, ' '],
  [undefined, { name: 'f5' }, ''],
])('the key %j %j is %j', (text, key, name) => expect(keyName(text, key)).toBe(name));

test('says what to do if no server responds, and how to use it', async () => {
  const [out, err] = [terminal(false), terminal(false)];
  expect(await runTop({ env, out, err, args: [] })).toBe(1);
  expect(err.written.join('')).toMatch(/cannot be followed: .*Is the fleet running \(npm run dev\)\?/);
  expect(await runTop({ env, out, err, args: ['--jsno'] })).toBe(2);
  expect(err.written.join('')).toMatch(/--jsno[^]*npm run -s top -- --json/);
  expect(await runTop({ env, out, err, args: ['--help'] })).toBe(0);
  expect(out.written.join('')).toMatch(/q to quit/);
});

const hasScript = spawnSync('script', ['--version']).status === 0;

describeUnless(hasScript ? undefined : "the program 'script' is not installed", 'in a real pseudo-terminal', () => {
  let folder: string;
  let program: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'top-'));
    program = bundleProgram(resolve(__dirname, '../../../servers/top.ts'), folder);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** `script` gives the program a terminal of this size. Its own output is what the program wrote to that terminal. */
  function inTerminal(rows: number, columns: number, more: Record<string, string>) {
    const command = join(folder, 'command.sh');
    const lines = [`stty rows ${rows} cols ${columns}`, `'${process.execPath}' '${program}'`, 'code=$?', 'stty -a'];
    writeFileSync(command, [...lines, 'echo "ended with $code"', ''].join('\n'));
    const child = spawn('script', ['--quiet', '--command', `sh ${command}`, '/dev/null'], {
      env: { ...process.env, ...env, ...more, NODE_PATH: resolve(__dirname, '../../../node_modules') },
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    return { child, text: () => text };
  }

  test.each([
    [24, 80, { NO_COLOR: '' }],
    [60, 200, { NO_COLOR: '1' }],
  ])('of %i rows and %i columns it enters the alternate screen and leaves it again', async (rows, columns, more) => {
    await start();
    const { child, text } = inTerminal(rows, columns, { ...more, TERM: 'xterm-256color' });
    await until(() => text().includes('● ready'), text());
    child.stdin.write('?');
    await until(() => text().includes('any key: back'));
    child.stdin.write('jq');
    await once(child, 'close');
    const [before, shown = '', afterwards] = text().split(/\u001b\[\?1049[hl]/); // eslint-disable-line no-control-regex
    expect(before).toBe('');
    expect(afterwards).toMatch(/ icanon .* echo .*ended with 0/s);
    expect(shown).toContain(`\u001b[${rows};1H`);
    expect(shown).not.toContain(`\u001b[${rows + 1};1H`);
    expect(shown.includes('\u001b[32m')).toBe(more.NO_COLOR === '');
    expect(/ADDRESS +\u001b|ADDRESS\u001b/.test(shown)).toBe(columns === 200); // eslint-disable-line no-control-regex
  });
});
