/** Packages that people use with Express do what they document, and send the same bytes with the kit mounted. */
import { describeUnless } from '../support/services.js';
import { PACKAGES } from './packages/index.js';
import { answersOf, comparableOf, undocumented, type Answer } from './packages/mounted.js';
import { isInstalled } from './packages/suite.js';
import { VARIANTS } from './variants.js';

const suites = PACKAGES.flatMap(({ packages, builds, steps }) =>
  Object.entries(builds).map(([framework, build]) => ({ packages, framework, build, steps })),
);

describe.each(suites)('$packages.0 with $framework', ({ packages, build, steps }) => {
  const missing = packages.find((name) => !isInstalled(name));
  const reason = missing === undefined ? undefined : `no ${missing}: npm ci --prefix test/transparency/packages`;

  describeUnless(reason, 'beside the kit', () => {
    let bare: readonly Answer[] = [];
    beforeAll(async () => {
      bare = await answersOf(build, steps);
    });

    test('answers as the package documents', () => {
      expect(undocumented(bare)).toEqual([]);
    });

    test.each(VARIANTS)('sends the same with $name', async (variant) => {
      const mounted = await answersOf(build, steps, variant);
      const named = (answers: readonly Answer[]): string[] =>
        answers.map((answer) => `${answer.step.name}:\n${comparableOf(answer, variant)}`);
      expect(named(mounted)).toEqual(named(bare));
    });
  });
});
