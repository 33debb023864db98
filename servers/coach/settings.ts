/** The settings of the coach. */
import * as z from 'zod';

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
    /** Milliseconds between checks of a learner, if the start request does not set it. */
    interval: fields.interval.default(30 * SECOND),
    /** Longest pause, in ms, while a learner is away. */
    maxInterval: fields.maxInterval.default(HOUR),
    /** Maximum number of learners coached at the same time. */
    maxRuns: fields.maxRuns.default(100),
  })
  .refine(({ interval, maxInterval }) => maxInterval >= interval, {
    message: 'maxInterval must not be below interval',
    path: ['maxInterval'],
  });
export type CoachSettings = z.output<typeof coachSettings>;

/** A partial change of the settings, as a request sends it. */
export const settingsPatch = z.strictObject(fields).partial();
