import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import {
  ConfigError,
  readConfig,
  readEnvironment,
  trustProxyOf,
  unknownVariables,
  VARIABLE_NAMES,
} from '../../../servers/support/config.js';

const example = parseEnv(readFileSync(resolve(__dirname, '../../../.env.example'), 'utf8'));

test('.env.example lists every variable and no other', () => {
  expect(Object.keys(example).sort()).toEqual([...VARIABLE_NAMES].sort());
});

test('.env.example shows the defaults', () => {
  expect(readConfig(example)).toEqual(readConfig({}));
});

test('a value is parsed to its type', () => {
  const config = readConfig({ WEB_PORT: '8080', TRACE_SAMPLING_RATE: '0.5', CONTROL_TOKEN: 'a-long-enough-secret' });
  expect(config).toMatchObject({ WEB_PORT: 8080, TRACE_SAMPLING_RATE: 0.5, CONTROL_TOKEN: 'a-long-enough-secret' });
});

test.each([
  ['WEB_PORT', 'abc', 'WEB_PORT: expected a port from 0 to 65535 (0: any free one), got "abc"'],
  ['WEB_PORT', '70000', 'WEB_PORT: expected a port from 0 to 65535 (0: any free one), got "70000"'],
  ['WEB_PORT', '1e3', 'WEB_PORT: expected a port from 0 to 65535 (0: any free one), got "1e3"'],
  ['TRACE_SAMPLING_RATE', '2', 'TRACE_SAMPLING_RATE: expected a number from 0 to 1, got "2"'],
  ['LOG_LEVEL', 'loud', 'LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"'],
  ['ORCHESTRATOR_URL', 'ftp://x', 'ORCHESTRATOR_URL: expected an http(s) URL, got "ftp://x"'],
  ['ORCHESTRATOR_URL', 'nonsense', 'ORCHESTRATOR_URL: expected an http(s) URL, got "nonsense"'],
])('%s=%s is refused in one line', (name, value, message) => {
  expect(() => readConfig({ [name]: value })).toThrow(new ConfigError(message));
});

test('every wrong variable is named, and a secret is never shown', () => {
  const read = (): unknown => readConfig({ WEB_PORT: '-1', CONTROL_TOKEN: 'hunter2', REDIS_URL: 'http://u:pw@h' });
  expect(read).toThrow(/WEB_PORT: .*\n.*CONTROL_TOKEN: expected a secret of at least 16 characters|CONTROL_TOKEN/s);
  expect(read).not.toThrow(/hunter2|pw/);
});

test('an empty variable is an absent one', () => {
  expect(readConfig({ WEB_PORT: '', CONTROL_TOKEN: ' ' })).toEqual(readConfig({}));
});

test.each([
  [undefined, false],
  ['2', 2],
  ['loopback, 10.0.0.0/8', ['loopback', '10.0.0.0/8']],
])('TRUST_PROXY=%s', (value, expected) => {
  expect(trustProxyOf(readConfig({ TRUST_PROXY: value }))).toEqual(expected);
});

describe('a .env file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tooloo-env-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('has a lower precedence than the environment, and typing errors in it are reported', () => {
    writeFileSync(join(folder, '.env'), 'WEB_PORT=4000\nWEBPORT=1\nOPENAI_API_KEY=x\nPATH=/from-the-file\n');
    const env = readEnvironment(folder);
    expect(env['WEB_PORT']).toBe('4000');
    expect(env['PATH']).toBe(process.env['PATH']);
    expect(unknownVariables(folder).sort()).toEqual(['PATH', 'WEBPORT']);
  });

  test('need not be there', () => {
    expect(readEnvironment(join(folder, 'nowhere'))).toBe(process.env);
    expect(unknownVariables(join(folder, 'nowhere'))).toEqual([]);
  });
});
