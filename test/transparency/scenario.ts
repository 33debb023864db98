/** A scenario of the differential test: one way in which an application can answer. */
import type { NextFunction, Request, Response } from 'express';

/** A handler of either Express; what it needs of Node is on the same objects. */
export type Answer = (req: Request, res: Response, next: NextFunction) => unknown;

export interface Scenario {
  readonly name: string;
  readonly answer: Answer;
  /** It shows what it was asked, which a proxy changes by design (`Via`, `X-Forwarded-*`). */
  readonly echoes?: true;
  /** It needs what only Express 5 does: rejections are errors. */
  readonly needsExpress5?: true;
  /** The response is torn in the middle: how much of it arrives is a matter of timing, that it is torn is not. */
  readonly isTorn?: true;
}

/** Scenarios from a table of names and handlers. */
export function scenarios(
  family: string,
  answers: Readonly<Record<string, Answer>>,
  traits: Omit<Scenario, 'name' | 'answer'> = {},
): Scenario[] {
  return Object.entries(answers).map(([name, answer]) => ({ name: `${family}: ${name}`, answer, ...traits }));
}

/** The same handler for each of several values. */
export function each<T>(values: readonly T[], nameOf: (value: T) => string, make: (value: T) => Answer) {
  return Object.fromEntries(values.map((value) => [nameOf(value), make(value)])) as Readonly<Record<string, Answer>>;
}
