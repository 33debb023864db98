import { absorb } from '../../../servers/capabilities/absorb.js';
import {
  listCapabilities,
  listEvents,
  listServices,
  setActive,
} from '../../../servers/capabilities/capability-store.js';
import { isCapability, type Discovered } from '../../../servers/capabilities/discovery.js';
import { insightsFrom } from '../../../servers/capabilities/insights.js';
import { capabilitiesMigrations, type CapabilitiesSchema } from '../../../servers/capabilities/schema.js';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import { onEachDatabase } from '../../support/databases.js';

const route = (path: string, summary = 'one') => ({ method: 'GET', path, summary, control: false });
const found = (...paths: string[]): Discovered => ({
  service: 'training',
  available: true,
  routes: paths.map((path) => route(path)),
});
const away: Discovered = { service: 'training', available: false, code: 'UPSTREAM_REFUSED', reason: 'gone' };

onEachDatabase((open) => {
  let database: OpenedDatabase<CapabilitiesSchema>;
  beforeEach(async () => {
    database = await open<CapabilitiesSchema>(capabilitiesMigrations);
  });

  const events = async () =>
    (await listEvents(database.db, {}, undefined, 100)).items.map(({ kind }) => kind).reverse();
  const list = async () => (await listCapabilities(database.db, {}, '', 100)).items;

  test('a capability that appears, vanishes and returns is recorded once each time', async () => {
    for (const paths of [['/a', '/b'], ['/a'], ['/a'], ['/a', '/b']]) await absorb(database.db, [found(...paths)], 1);
    expect(await events()).toEqual(['found', 'appeared', 'appeared', 'vanished', 'returned']);
    expect((await list()).map(({ path, present }) => [path, present])).toEqual([
      ['/a', true],
      ['/b', true],
    ]);
  });

  test('an unavailable service is recorded as lost once, and its capabilities stay unchanged', async () => {
    await absorb(database.db, [found('/a')], 1);
    await absorb(database.db, [away], 2);
    await absorb(database.db, [away], 3);
    await absorb(database.db, [found('/a')], 4);
    expect(await events()).toEqual(['found', 'appeared', 'lost', 'found']);
    expect(await list()).toMatchObject([{ present: true, firstSeen: 1, lastSeen: 4 }]);
    expect(await listServices(database.db)).toMatchObject([
      { checks: 4, failures: 2, reachable: true, since: 4, error: null },
    ]);
  });

  test('a service that was never available is not recorded as lost', async () => {
    await absorb(database.db, [away], 1);
    expect(await events()).toEqual([]);
    expect(await listServices(database.db)).toMatchObject([{ reachable: false, error: 'UPSTREAM_REFUSED: gone' }]);
  });

  test('a deactivated capability stays deactivated when it is discovered again', async () => {
    await absorb(database.db, [found('/a')], 1);
    const id = 'training:GET /a';
    const switched = await Promise.all([1, 2].map(() => setActive(database.db, id, false, null, 2)));
    expect(switched.map(({ changed }) => changed).sort()).toEqual([false, true]);
    await absorb(database.db, [{ service: 'training', available: true, routes: [route('/a', 'two')] }], 3);
    expect(await list()).toMatchObject([{ active: false, summary: 'two' }]);
  });

  test('two concurrent discoveries count every change once', async () => {
    await Promise.all([1, 2, 3].map(() => absorb(database.db, [found('/a', '/b')], 1)));
    expect((await events()).sort()).toEqual(['appeared', 'appeared', 'found']);
  });

  test('routes that every server has are not capabilities', () => {
    expect(isCapability(route('/api/v1/system/routes'))).toBe(false);
    expect(isCapability(route('/api/v1/training/start'))).toBe(true);
  });

  test('insights: availability, what is switched to and fro, what is missing', () => {
    const state = { reachable: true, error: null, since: 0, checkedAt: 0 };
    const insights = insightsFrom(
      [
        { ...state, service: 'a', checks: 10, failures: 1 },
        { ...state, service: 'b', reachable: false, checks: 4, failures: 4 },
      ],
      [
        { service: 'a', known: 4, active: 3, present: 3 },
        { service: 'b', known: 4, active: 4, present: 4 },
      ],
      [
        { service: 'a', capability: 'a:GET /x', kind: 'activated', count: 2 },
        { service: 'a', capability: 'a:GET /x', kind: 'deactivated', count: 2 },
        { service: 'a', capability: 'a:GET /y', kind: 'deactivated', count: 1 },
        { service: 'a', capability: null, kind: 'lost', count: 3 },
      ],
    );
    expect(insights.services).toMatchObject([
      { service: 'a', availability: 0.9, missing: 1, losses: 3 },
      { service: 'b', availability: 0 },
    ]);
    expect(insights.usable).toBe(3 / 8);
    expect(insights.unsettled).toEqual([{ capability: 'a:GET /x', switches: 4 }]);
    expect(insights.advice).toEqual([
      'a was lost 3 times: look for restarts in its log',
      'a no longer offers 1 of its capabilities: callers may still ask for them',
      'b does not answer: start it, or see why it stopped',
    ]);
  });
});
