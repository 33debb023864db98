/** One case of a conformance suite, for any test framework: it throws where the implementation is wrong. */

/** @typeParam F what a case needs of the implementation under test */
export interface ConformanceCase<F> {
  readonly name: string;
  /** @param create makes a fresh, empty implementation */
  readonly run: (create: () => F | Promise<F>) => Promise<void>;
}
