import fc from '../support/fast-check.js';
import { WaiterQueue, type Waiter } from '../../src/shared/waiter-queue.js';

/** Adds one, takes the longest, or takes the one at this share of the queue. */
const steps = fc.array(
  fc.oneof(fc.constant('push' as const), fc.constant('shift' as const), fc.double({ min: 0, max: 0.999, noNaN: true })),
);

test('serves in order of arrival while others leave, and keeps none that left', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const queue = new WaiterQueue<number>();
      let model: Waiter<number>[] = [];
      let pushed = 0;
      for (const step of taken) {
        if (step === 'push') model.push(queue.push(pushed++));
        else {
          const place = step === 'shift' ? 0 : Math.floor(step * model.length);
          const leaves = model[place];
          if (step === 'shift') expect(queue.shift()).toBe(leaves?.value);
          else if (leaves !== undefined) expect(queue.remove(leaves)).toBe(true);
          model = model.filter((waiter) => waiter !== leaves);
          if (leaves !== undefined) {
            expect([leaves.next, leaves.previous, queue.remove(leaves)]).toEqual([undefined, undefined, false]);
          }
        }
        const seen: number[] = [];
        for (let place = queue.first; place !== undefined; place = place.next) seen.push(place.value);
        expect(seen).toEqual(model.map(({ value }) => value));
        expect(queue.length).toBe(model.length);
      }
    }),
  );
});

test('is empty after clear', () => {
  const queue = new WaiterQueue<string>();
  const places = ['a', 'b', 'c'].map((name) => queue.push(name));
  queue.clear();
  expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined]);
  expect(places.map((place) => queue.remove(place))).toEqual([false, false, false]);
});
