import { runStore, type NewRun, type Outcome } from '../../../servers/coach/run-store.js';
import { coachMigrations, type CoachSchema } from '../../../servers/coach/schema.js';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import { onEachDatabase } from '../../support/databases.js';

const NEW: NewRun = { learner: 'ada', topics: ['sums'], mode: 'learner', interval: 1000 };
const OUTCOME: Outcome = {
  sessionId: 7,
  attemptId: 'a',
  nextAt: 5000,
  opened: 1,
  answered: 1,
  lapsed: 0,
  score: 0.5,
  lapsedInRow: 0,
  stopped: false,
  error: null,
};

onEachDatabase((open) => {
  let database: OpenedDatabase<CoachSchema>;
  let runs: ReturnType<typeof runStore>;

  beforeEach(async () => {
    database = await open<CoachSchema>(coachMigrations);
    runs = runStore(database.db);
  });

  test('concurrent starts for a learner give one run', async () => {
    const started = await Promise.allSettled(Array.from({ length: 5 }, () => runs.start(NEW, 100, 0)));
    expect(started.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await runs.stop('ada', 1);
    expect(await runs.start(NEW, 100, 2)).toMatchObject({ state: 'active' });
  });

  test('there are no more learners than the limit', async () => {
    await runs.start(NEW, 1, 0);
    await expect(runs.start({ ...NEW, learner: 'bob' }, 1, 0)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('of two concurrent claims to a step one succeeds', async () => {
    const run = await runs.start(NEW, 1, 0);
    const claims = await Promise.all([runs.claim(run, 60_000), runs.claim(run, 60_000)]);
    expect(claims.sort()).toEqual([false, true]);
    expect(await runs.due(59_999, 10)).toEqual([]);
    expect(await runs.due(60_000, 10)).toHaveLength(1);
  });

  test('a settled step adds to the counts and keeps the changes made in the meantime', async () => {
    const run = await runs.start(NEW, 1, 0);
    await runs.claim(run, 60_000);
    await runs.boost('ada', 'sums', 3, 10);
    await runs.fastLane('ada', 2, 10);
    await runs.settle(run, OUTCOME);
    expect(await runs.active('ada')).toMatchObject({
      sessionId: 7,
      attemptId: 'a',
      nextAt: 5000,
      opened: 1,
      answered: 1,
      meanScore: 0.5,
      boost: { topic: 'sums', left: 2 },
      fastLeft: 1,
    });
  });

  test('a stop during a step takes effect', async () => {
    const run = await runs.start(NEW, 1, 0);
    await runs.claim(run, 60_000);
    await runs.stop('ada', 10);
    await runs.settle(run, OUTCOME);
    const { items } = await runs.list('ada', undefined, 10);
    expect(items).toMatchObject([{ state: 'stopping', opened: 1, stoppedAt: 10 }]); // with the counts of the step
  });

  test('without a coached learner, stop, boost and fast lane are NOT_FOUND', async () => {
    const refused = { code: 'NOT_FOUND' };
    await expect(runs.stop('ada', 0)).rejects.toMatchObject(refused);
    await expect(runs.boost('ada', 'sums', 1, 0)).rejects.toMatchObject(refused);
    await expect(runs.fastLane('ada', 1, 0)).rejects.toMatchObject(refused);
    await expect(runs.active('ada')).rejects.toMatchObject(refused);
  });

  test('totals', async () => {
    const run = await runs.start(NEW, 5, 0);
    await runs.claim(run, 1);
    await runs.settle(run, OUTCOME);
    expect(await runs.totals()).toEqual({ runs: 1, active: 1, opened: 1, answered: 1, lapsed: 0 });
  });
});
