import { attemptStore } from '../../../servers/training/attempt-store.js';
import { challengeStore } from '../../../servers/training/challenge-store.js';
import { trainingMigrations } from '../../../servers/training/migrations.js';
import { openRound, recordScore, suitableDifficulty, weakest } from '../../../servers/training/practice.js';
import { progressOf, roundsPerDay, topicTotals, totals } from '../../../servers/training/progress-store.js';
import { openReviews, planReviews } from '../../../servers/training/review-store.js';
import { roundsBefore, roundsSince } from '../../../servers/training/round-store.js';
import type { TrainingSchema } from '../../../servers/training/schema.js';
import { sessionStore } from '../../../servers/training/session-store.js';
import { trainingSettings } from '../../../servers/training/settings.js';
import type { OpenedDatabase } from '../../../servers/support/database.js';
import { onEachDatabase } from '../../support/databases.js';

const SETTINGS = trainingSettings.parse({});
const NOW = Date.UTC(2026, 0, 10, 12);
const HOUR = 3_600_000;
const KNOWN = { model: SETTINGS, threshold: SETTINGS.masteryThreshold, now: NOW };

onEachDatabase((open) => {
  /** Two pools on one database, as two processes of the service have them. */
  let one: OpenedDatabase<TrainingSchema>;
  let other: OpenedDatabase<TrainingSchema>;
  beforeEach(async () => {
    [one, other] = await Promise.all([
      open<TrainingSchema>(trainingMigrations),
      open<TrainingSchema>(trainingMigrations),
    ]);
  });

  const start = (topics: string[], learner = 'ada') =>
    sessionStore(one.db).start({ learner, topics, settings: SETTINGS }, NOW);

  test('rounds recorded at once through two connections are all counted', async () => {
    const session = await start(['sums']);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        recordScore((i % 2 === 0 ? one : other).db, session, { topic: 'sums', score: 1, source: 'learner' }, NOW + i),
      ),
    );
    const [progress] = await progressOf(other.db, { learner: 'ada' }, KNOWN, 10);
    expect(progress).toMatchObject({ topic: 'sums', rounds: 20, meanScore: 1, mastered: true });
    expect(await sessionStore(other.db).get(session.id)).toMatchObject({ rounds: 20, meanScore: 1 });
    const { items } = await roundsSince(one.db, {}, 0, 100);
    expect(items).toHaveLength(20);
    // Each round begins with the state after the previous one: no update was computed from an outdated state.
    for (let i = 1; i < items.length; i++) expect(items[i]!.knownBefore).toBeCloseTo(items[i - 1]!.knownAfter, 4);
  });

  test('of two answers to one attempt, one counts', async () => {
    const session = await start(['sums']);
    const { id } = await openRound(one.db, session, undefined, NOW);
    const answers = await Promise.allSettled([
      attemptStore(one.db).close(id, { score: 1 }, 'learner', SETTINGS, NOW),
      attemptStore(other.db).close(id, { score: 0 }, 'learner', SETTINGS, NOW),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await roundsSince(one.db, {}, 0, 10)).items).toHaveLength(1);
  });

  test('an attempt is graded by the challenge as it was given, and not after it has expired', async () => {
    const bank = challengeStore(one.db);
    const attempts = attemptStore(one.db);
    await bank.add(
      {
        topic: 'capitals',
        prompt: 'Capital of Peru?',
        difficulty: 3,
        solution: { kind: 'exact', accepted: ['Lima'], caseSensitive: false },
      },
      NOW,
    );
    const wanted = { sessionId: null, learner: 'ada', topic: 'capitals', difficulty: 1, seed: 5, lifetime: HOUR };
    const attempt = await attempts.open(wanted, NOW);
    expect(attempt).toMatchObject({ prompt: 'Capital of Peru?', kind: 'exact', state: 'open', difficulty: 3 });
    expect(JSON.stringify(attempt)).not.toContain('Lima');
    const late = await attempts.open(wanted, NOW);
    await expect(attempts.close(late.id, { answer: 'Lima' }, 'learner', SETTINGS, NOW + HOUR)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(await attempts.get(late.id, NOW + HOUR)).toMatchObject({ state: 'expired' });
    const closed = await attempts.close(attempt.id, { answer: 'lima' }, 'learner', SETTINGS, NOW);
    expect(closed.grade).toEqual({ score: 1, remarks: ['right'] });
    expect(closed.attempt).toMatchObject({ state: 'graded', score: 1 });
    expect(closed.round).toMatchObject({ learner: 'ada', topic: 'capitals', kind: 'exact', sessionId: null });
  });

  test('the generator replaces an empty bank, except for kinds that cannot be generated', async () => {
    const attempts = attemptStore(one.db);
    const wanted = { sessionId: null, learner: 'ada', topic: 'x', difficulty: 2, seed: 5, lifetime: HOUR };
    expect(await attempts.open({ ...wanted, kind: 'ordering' }, NOW)).toMatchObject({ kind: 'ordering' });
    await expect(attempts.open({ ...wanted, kind: 'rubric' }, NOW)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a round without a topic uses the least known topic', async () => {
    const session = await start(['sums', 'fractions']);
    await recordScore(one.db, session, { topic: 'sums', score: 1, source: 'learner' }, NOW);
    expect(await openRound(one.db, session, undefined, NOW)).toMatchObject({ topic: 'fractions' });
    expect(
      weakest([
        { topic: 'a', known: 0.4 },
        { topic: 'b', known: 0.4 },
      ]).topic,
    ).toBe('a');
    expect([0, 0.5, 1].map(suitableDifficulty)).toEqual([1, 3, 5]);
  });

  test('an ended session takes no round', async () => {
    const session = await start(['sums']);
    await sessionStore(one.db).finish(session.id, NOW);
    const again = await sessionStore(one.db).finish(session.id, NOW + 1);
    expect(again.endedAt).toBe(NOW);
    const score = { topic: 'sums', score: 1, source: 'learner' };
    await expect(recordScore(one.db, session, score, NOW)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(openRound(one.db, again, undefined, NOW)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await roundsSince(one.db, {}, 0, 10)).items).toEqual([]);
  });

  test('pages neither repeat nor leave out a round, both ways', async () => {
    const session = await start(['sums']);
    for (let i = 0; i < 7; i++) await recordScore(one.db, session, { topic: 'sums', score: 0.5, source: 'x' }, NOW + i);
    const forward: number[] = [];
    for (let since: number | null = 0; since !== null;) {
      const page: Awaited<ReturnType<typeof roundsSince>> = await roundsSince(one.db, { learner: 'ada' }, since, 3);
      forward.push(...page.items.map(({ id }) => id));
      since = page.next;
    }
    const back: number[] = [];
    for (let before: number | null | undefined = undefined; before !== null;) {
      const page: Awaited<ReturnType<typeof roundsBefore>> = await roundsBefore(one.db, { topic: 'sums' }, before, 7);
      back.push(...page.items.map(({ id }) => id));
      before = page.next;
    }
    expect(forward).toHaveLength(7);
    expect(back).toEqual([...forward].reverse());
  });

  test('planned reviews replace the open ones of their topic, and a round completes them', async () => {
    const session = await start(['sums', 'fractions']);
    const plan = (dueAt: number) =>
      planReviews(
        one.db,
        'ada',
        [
          { topic: 'sums', dueAt },
          { topic: 'fractions', dueAt },
        ],
        NOW,
      );
    await plan(NOW + HOUR);
    await plan(NOW + 2 * HOUR);
    expect((await openReviews(one.db, { learner: 'ada' }, 0, 10)).items).toHaveLength(2);
    expect((await openReviews(one.db, { dueBefore: NOW + HOUR }, 0, 10)).items).toEqual([]);
    await recordScore(one.db, session, { topic: 'sums', score: 1, source: 'learner' }, NOW + 3 * HOUR);
    const left = await openReviews(one.db, { learner: 'ada' }, 0, 10);
    expect(left.items.map(({ topic }) => topic)).toEqual(['fractions']);
  });

  test('totals and days add up what was recorded', async () => {
    const session = await start(['sums', 'fractions']);
    await recordScore(one.db, session, { topic: 'sums', score: 1, source: 'learner' }, NOW);
    await recordScore(one.db, session, { topic: 'fractions', score: 0, source: 'learner' }, NOW - 24 * HOUR);
    await openRound(one.db, session, 'sums', NOW);
    expect(await totals(one.db, NOW)).toEqual({
      sessions: { total: 1, open: 1 },
      rounds: 2,
      meanScore: 0.5,
      learners: 1,
      topics: 2,
      openAttempts: 1,
      lastRoundAt: NOW,
    });
    expect(await roundsPerDay(one.db, 0)).toEqual([
      { day: '2026-01-09', rounds: 1, meanScore: 0 },
      { day: '2026-01-10', rounds: 1, meanScore: 1 },
    ]);
    expect(
      (await topicTotals(one.db, 0.5)).map(({ topic, rounds, mastered }) => ({ topic, rounds, mastered })),
    ).toEqual([
      { topic: 'fractions', rounds: 1, mastered: 0 },
      { topic: 'sums', rounds: 1, mastered: 1 },
    ]);
  });
});
