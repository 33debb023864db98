/** A sample of the product that `npm run test:transparency` goes through: mounted middleware changes nothing on the wire. */
import fc from '../support/fast-check.js';
import { describeDifference, Differential, type Case } from '../transparency/differential.js';
import { REQUEST_KINDS } from '../transparency/requests.js';
import { SCENARIOS } from '../transparency/variants.js';
import { fuzz } from './harness.js';

const differential = new Differential();
afterAll(() => differential.close());

const cases: fc.Arbitrary<Case> = fc.record({
  framework: fc.constantFrom('Express 5', 'Express 4'),
  scenario: fc.nat(SCENARIOS.length - 1),
  kind: fc.nat(REQUEST_KINDS.length - 1),
});

fuzz('transparency', [
  {
    title: 'an application with the kit mounted sends what it sends without',
    arbitrary: fc.array(cases, { minLength: 1, maxLength: 4 }),
    async check(several, tally) {
      const before = differential.exchanges;
      for (const one of several) {
        const found = await differential.compare(one);
        if (found.length > 0) throw new Error(found.map(describeDifference).join('\n'));
      }
      tally.exchanges = (tally.exchanges ?? 0) + differential.exchanges - before;
    },
  },
]);
