/** A worker is stuck when it leaves many questions in a row unanswered. */
import { StuckWorkers } from '../../../servers/workers/stuck-workers.js';
import type { Clock } from '../../../src/index.js';
import fc from '../../support/fast-check.js';

const INTERVAL = 5_000;

/** A clock whose one timer fires with `step`. */
function steps(): { clock: Clock; step: () => void; isWaiting: () => boolean } {
  let pending: (() => void) | undefined;
  const clock: Clock = {
    now: () => 0,
    setTimer: (callback, delay) => {
      expect(delay).toBe(INTERVAL);
      pending = callback;
      return { cancel: () => (pending = undefined) };
    },
  };
  const step = (): void => {
    const callback = pending;
    pending = undefined;
    callback?.();
  };
  return { clock, step, isWaiting: () => pending !== undefined };
}

test('a worker that answers one of six questions is never stuck, and one that does not is stuck once', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 30 });
  fc.assert(
    fc.property(gaps, (unanswered) => {
      const stuck: string[] = [];
      const asked: string[] = [];
      const { clock, step } = steps();
      const workers = new StuckWorkers<string>({
        ask: (worker) => asked.push(worker),
        onStuck: (worker) => stuck.push(worker),
        clock,
      });
      workers.watch('alive');
      for (const questions of unanswered) {
        for (let question = 0; question < questions; question++) step();
        workers.answered('alive');
      }
      expect(stuck).toEqual([]);
      expect(asked).toHaveLength(unanswered.reduce((sum, questions) => sum + questions, 0));
      for (let question = 0; question < 20; question++) step();
      expect(stuck).toEqual(['alive']);
      workers.close();
    }),
  );
});

test('a worker that has ended is not asked, and nothing is left when all are closed', () => {
  const asked: string[] = [];
  const { clock, step, isWaiting } = steps();
  const workers = new StuckWorkers<string>({ ask: (worker) => asked.push(worker), onStuck: fail, clock });
  workers.watch('first');
  workers.watch('second');
  workers.forget('first');
  workers.answered('first'); // an answer that arrives after its end
  step();
  expect(asked).toEqual(['second']);
  workers.close();
  expect(isWaiting()).toBe(false);
});

function fail(worker: string): void {
  throw new Error(`${worker} is not stuck`);
}
