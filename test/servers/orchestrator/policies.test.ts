/** The policies of the fleet are merged from its defaults, the settings and the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPolicies } from '../../../servers/orchestrator/policies.js';
import { readConfig } from '../../../servers/support/config.js';

let folder: string;
let path: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-policies-'));
  path = join(folder, 'scaling.json');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (text: string, env: Record<string, string> = {}) => {
  writeFileSync(path, text);
  return readPolicies(readConfig({ ...env, SCALING_POLICIES_FILE: path }));
};

test('without a file the settings apply to all services, except for what a service does not support', () => {
  const env = { SCALING_MIN: '2', SCALING_MAX: '6', PROVIDER_MAX_IN_FLIGHT: '20' };
  const policies = readPolicies(readConfig(env));
  expect(policies['training']).toEqual({ min: 2, max: 6 });
  expect(policies['budget']).toEqual({ min: 2, max: 6, p99: false, inFlight: { target: 12 } });
  expect(policies['web']).toMatchObject({ min: 1, max: 1 });
});

test('the file overrides the settings, and a service overrides the defaults, under either of its names', () => {
  const file = { defaults: { max: 4, cpu: 50 }, services: { 'meta-server': { max: 8 }, coach: { p99: 900 } } };
  const policies = read(JSON.stringify(file), { SCALING_MAX: '2' });
  expect(policies['training']).toEqual({ min: 1, max: 4, cpu: 50 });
  expect(policies['meta']).toEqual({ min: 1, max: 8, cpu: 50 });
  expect(policies['coach']).toMatchObject({ p99: 900 });
});

test.each([
  ['{', /scaling\.json: expected \{ "defaults"/],
  ['{ "service": {} }', /scaling\.json: expected \{ "defaults"/],
  ['{ "services": { "nobody": {} } }', /there is no service 'nobody'/],
  ['{ "services": { "meta": { "min": 2, "max": 1 } } }', /scaling\.json: meta: .*expected min ≤ max/],
  ['{ "services": { "meta": { "cpus": 50 } } }', /unknown option 'cpus'; did you mean 'cpu'/],
])('a file that says %s is refused', (text, message) => {
  expect(() => read(text)).toThrow(message);
});
