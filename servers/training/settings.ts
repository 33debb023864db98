/** The training settings: the parameters of the mastery model, and how long an attempt stays open. */
import * as z from 'zod';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const probability = z.number().min(0.001).max(0.999);

const fields = {
  prior: probability,
  learn: probability,
  guess: probability,
  slip: probability,
  initialHalfLife: z
    .number()
    .int()
    .min(HOUR)
    .max(365 * 24 * HOUR),
  masteryThreshold: z.number().min(0.5).max(0.999),
  attemptLifetime: z
    .number()
    .int()
    .min(MINUTE)
    .max(7 * 24 * HOUR),
};

/**
 * Defaults: the usual initial values of Corbett and Anderson, a half-life of one day, and mastery at 95 %, as in their
 * tutors.
 */
export const trainingSettings = z
  .object({
    prior: fields.prior.default(0.2),
    learn: fields.learn.default(0.15),
    guess: fields.guess.default(0.2),
    slip: fields.slip.default(0.1),
    initialHalfLife: fields.initialHalfLife.default(24 * HOUR),
    masteryThreshold: fields.masteryThreshold.default(0.95),
    attemptLifetime: fields.attemptLifetime.default(HOUR),
  })
  .refine(({ guess, slip }) => guess + slip < 1, {
    message: 'guess and slip together must stay below 1',
    path: ['guess'],
  });

export type TrainingSettings = z.output<typeof trainingSettings>;

/** A partial change of the settings, as a request sends it. The merged settings are validated as a whole. */
export const settingsPatch = z.strictObject(fields).partial();
