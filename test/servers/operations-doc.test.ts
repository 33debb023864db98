/** Some server of the fleet exports every metric that docs/operations.md names. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { budgetServer } from '../../servers/budget-server.js';
import { trainingServer } from '../../servers/training-server.js';
import { webServer } from '../../servers/web-server.js';
import { eventually } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const TOKEN = 'a-control-token-of-the-test';

let fleet: TestFleet;

beforeAll(() => {
  fleet = testFleet();
});

afterAll(() => fleet.close());

test('every metric on the page is exported', async () => {
  const page = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8');
  const named = new Set([...page.matchAll(/`((?:tooloo|http|nodejs|process)_\w+)`/g)].map((match) => match[1]!));
  const training = await fleet.listen(trainingServer);
  const budget = await fleet.listen(budgetServer, { env: { CONTROL_TOKEN: TOKEN } });
  const web = await fleet.listen(webServer, { clients: { training, budget }, env: { CONTROL_TOKEN: TOKEN } });
  expect((await fetch(`${web}/api/v1/training/overview`)).status).toBe(200);

  /** Names of metrics and labels, as whole words. */
  async function missing(): Promise<string[]> {
    const exposed = await Promise.all(
      [web, training, budget].map(async (base) => (await fetch(`${base}/metrics`)).text()),
    );
    const words = new Set(exposed.flatMap((text) => text.match(/\w+/g)));
    return [...named].filter((name) => !words.has(name));
  }
  // A process that has just started does not export its CPU usage yet.
  await eventually(missing, (names) => names.length === 0);
});
