import fc from '../../support/fast-check.js';
import { ResilienceError } from '../../../src/index.js';
import type { Run } from '../../../servers/coach/run-store.js';
import { pauseOf, rehearsalSkill, takeStep, type StepOptions } from '../../../servers/coach/step.js';
import type { Attempt, TrainingClient } from '../../../servers/coach/training-client.js';

const RUN: Run = {
  id: 1,
  learner: 'ada',
  topics: ['sums', 'fractions'],
  mode: 'learner',
  state: 'active',
  interval: 10_000,
  sessionId: null,
  attemptId: null,
  step: 0,
  nextAt: 0,
  opened: 0,
  answered: 0,
  meanScore: null,
  lapsed: 0,
  lapsedInRow: 0,
  boost: { topic: null, left: 0 },
  fastLeft: 0,
  lastError: null,
  startedAt: 0,
  stoppedAt: null,
};

/** A fake training service that returns the given attempt and records the requests it receives. */
function training(attempt?: Attempt, failing?: { at: string; error: unknown }) {
  const asked: unknown[][] = [];
  const note = (...call: unknown[]): void => {
    asked.push(call);
    if (failing !== undefined && failing.at === call[0]) throw failing.error;
  };
  const client: TrainingClient = {
    startSession: async (learner, topics) => (note('start', learner, topics), 7),
    finishSession: async (id) => note('finish', id),
    openRound: async (id, topic) => (note('open', id, topic), { id: 'next', state: 'open', score: null }),
    attempt: async (id) => (note('look', id), attempt!),
    rehearse: async (id, attemptId, score) => note('rehearse', id, attemptId, score),
    leastKnown: async () => [],
  };
  return { asked, client };
}

function options(client: TrainingClient, changes: Partial<StepOptions> = {}): StepOptions {
  return {
    training: client,
    maxInterval: 60_000,
    now: 1000,
    chance: 0,
    signal: new AbortController().signal,
    ...changes,
  };
}

test('the first step starts a session and gives a round', async () => {
  const { asked, client } = training();
  const { outcome } = await takeStep(RUN, options(client));
  expect(asked).toEqual([
    ['start', 'ada', ['sums', 'fractions']],
    ['open', 7, undefined],
  ]);
  expect(outcome).toMatchObject({
    sessionId: 7,
    attemptId: 'next',
    opened: 1,
    answered: 0,
    nextAt: 11_000,
    error: null,
  });
});

test('no round is given while the learner has an open one', async () => {
  const { asked, client } = training({ id: 'a', state: 'open', score: null });
  const { outcome } = await takeStep({ ...RUN, sessionId: 7, attemptId: 'a' }, options(client));
  expect(asked).toEqual([['look', 'a']]);
  expect(outcome).toMatchObject({ attemptId: 'a', opened: 0, nextAt: 11_000 });
});

test('an answered round is counted and the next one given', async () => {
  const { client } = training({ id: 'a', state: 'graded', score: 0.5 });
  const { outcome } = await takeStep({ ...RUN, sessionId: 7, attemptId: 'a', lapsedInRow: 3 }, options(client));
  expect(outcome).toMatchObject({ answered: 1, score: 0.5, opened: 1, lapsedInRow: 0, attemptId: 'next' });
});

test('a lapsed round is counted and lengthens the pause before the next step', async () => {
  const { client } = training({ id: 'a', state: 'expired', score: null });
  const { outcome } = await takeStep({ ...RUN, sessionId: 7, attemptId: 'a', lapsedInRow: 1 }, options(client));
  expect(outcome).toMatchObject({ lapsed: 1, lapsedInRow: 2, opened: 1, nextAt: 41_000 });
});

test('a boost chooses the topic', async () => {
  const { asked, client } = training();
  await takeStep({ ...RUN, sessionId: 7, boost: { topic: 'fractions', left: 2 } }, options(client));
  expect(asked).toEqual([['open', 7, 'fractions']]);
});

test('a rehearsal answers by itself, at random by skill', async () => {
  for (const [chance, score] of [
    [0.1, 1],
    [0.9, 0],
  ] as const) {
    const { asked, client } = training();
    await takeStep({ ...RUN, mode: 'rehearsal', sessionId: 7 }, options(client, { chance }));
    expect(asked.at(-1)).toEqual(['rehearse', 7, 'next', score]);
  }
  expect(rehearsalSkill(0)).toBe(0.25);
  expect(rehearsalSkill(100)).toBeGreaterThan(0.99);
});

test('a stopping run counts the round that was answered before it finishes its session', async () => {
  const { client } = training({ id: 'a', state: 'graded', score: 1 });
  const stopping = { ...RUN, state: 'stopping' as const, sessionId: 7, attemptId: 'a' };
  expect((await takeStep(stopping, options(client))).outcome).toMatchObject({
    ...{ answered: 1, score: 1, stopped: true, sessionId: null, attemptId: null },
  });
});

test('a stopping run finishes its session, once there is one', async () => {
  const { asked, client } = training();
  const stopping = { ...RUN, state: 'stopping' as const };
  expect((await takeStep({ ...stopping, sessionId: 7 }, options(client))).outcome).toMatchObject({
    stopped: true,
    sessionId: null,
  });
  expect((await takeStep(stopping, options(client))).outcome.stopped).toBe(true);
  expect(asked).toEqual([['finish', 7]]);
});

test('a failure in the middle of a step keeps the results before it', async () => {
  const away = new ResilienceError('UPSTREAM_REFUSED', 'training is not reachable');
  const { client } = training({ id: 'a', state: 'graded', score: 1 }, { at: 'open', error: away });
  const { outcome, failure } = await takeStep({ ...RUN, sessionId: 7, attemptId: 'a' }, options(client));
  expect(failure).toBe(away);
  expect(outcome).toMatchObject({
    sessionId: 7,
    attemptId: null,
    answered: 1,
    opened: 0,
    error: 'UPSTREAM_REFUSED: training is not reachable',
  });
});

test('a missing session is replaced in the next step', async () => {
  const gone = new ResilienceError('CONFLICT', 'session 7 has ended');
  const { client } = training(undefined, { at: 'open', error: gone });
  const { outcome } = await takeStep({ ...RUN, sessionId: 7 }, options(client));
  expect(outcome).toMatchObject({ sessionId: null, attemptId: null });
});

test('an unexpected error is reported as INTERNAL', async () => {
  const { client } = training(undefined, { at: 'start', error: new Error('odd') });
  const { failure } = await takeStep(RUN, options(client));
  expect(failure).toMatchObject({ code: 'INTERNAL', message: 'odd' });
});

test('the pause doubles with each lapse, at most to the longest, and is short in the fast lane', () => {
  expect(pauseOf({ interval: 10_000, fastLeft: 0 }, 0, 60_000)).toBe(10_000);
  expect(pauseOf({ interval: 10_000, fastLeft: 0 }, 2, 60_000)).toBe(40_000);
  expect(pauseOf({ interval: 10_000, fastLeft: 0 }, 9, 60_000)).toBe(60_000);
  expect(pauseOf({ interval: 10_000, fastLeft: 3 }, 0, 60_000)).toBe(1000);
  expect(pauseOf({ interval: 10_000, fastLeft: 3 }, 1, 60_000)).toBe(20_000);
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 86_400_000 }), fc.nat(2000), fc.nat(1e9), (interval, lapses, most) => {
      const pause = pauseOf({ interval, fastLeft: 0 }, lapses, most);
      expect(pause >= interval && pause <= Math.max(interval, most)).toBe(true);
    }),
  );
});
