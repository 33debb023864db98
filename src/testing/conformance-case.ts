/** One case of a conformance suite, for any test framework: it throws if the implementation is wrong. */

/**
 * One requirement on an implementation.
 *
 * @typeParam F the fixture that a case needs for the implementation under test
 */
export interface ConformanceCase<F> {
  readonly name: string;
  /** @param create creates a new, empty implementation */
  readonly run: (create: () => F | Promise<F>) => Promise<void>;
}
