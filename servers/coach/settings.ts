/** What can be set about the coach. */
import { z } from 'zod';

const SECOND = 1000;
const HOUR = 3_600_000;

const fields = {
  interval: z
    .number()
    .int()
    .min(SECOND)
    .max(24 * HOUR),
  maxRuns: z.number().int().min(1).max(1000),
  maxInterval: z
    .number()
    .int()
    .min(SECOND)
    .max(7 * 24 * HOUR),
};

export const coachSettings = z
  .object({
    /** Milliseconds between looks at a learner, where the start of a run says nothing else. */
    interval: fields.interval.default(30 * SECOND),
    /** Longest pause the coach makes for a learner who is away. */
    maxInterval: fields.maxInterval.default(HOUR),
    /** Learners coached at once. */
    maxRuns: fields.maxRuns.default(100),
  })
  .refine(({ interval, maxInterval }) => maxInterval >= interval, {
    message: 'maxInterval must not be below interval',
    path: ['maxInterval'],
  });
export type CoachSettings = z.output<typeof coachSettings>;

/** Any of them, as a request changes them. */
export const settingsPatch = z.strictObject(fields).partial();
