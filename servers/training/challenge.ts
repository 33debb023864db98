/** Schemas of challenges: a prompt and, depending on the kind, the facts that answers are graded against. */
import * as z from 'zod';
import { textField, topicName } from '../support/fields.js';

const term = textField(200);
const terms = z.array(term).min(1).max(50);

const exact = z.strictObject({
  kind: z.literal('exact'),
  /** An answer that equals any of these is correct. */
  accepted: terms,
  caseSensitive: z.boolean().default(false),
});

const numeric = z.strictObject({
  kind: z.literal('numeric'),
  value: z.number(),
  /**
   * Accepted deviation: `tolerance` in the unit of the value, or `relative` as a share of the value. The larger one
   * applies.
   */
  tolerance: z.number().min(0).default(0),
  relative: z.number().min(0).max(1).default(0),
});

const keyword = z.strictObject({
  kind: z.literal('keyword'),
  /** Any spelling of a keyword counts. The score is the weight of the keywords found, divided by the total weight. */
  keywords: z
    .array(z.strictObject({ anyOf: terms, weight: z.number().positive().max(100).default(1) }))
    .min(1)
    .max(50),
});

const ordering = z
  .strictObject({
    kind: z.literal('ordering'),
    /** The items in the correct order; the learner sees them shuffled. */
    items: z.array(term).min(2).max(20),
  })
  .refine(({ items }) => new Set(items).size === items.length, { message: 'items must differ', path: ['items'] });

const rubric = z.strictObject({
  kind: z.literal('rubric'),
  /** A criterion is met if all its conditions hold. The score is the points earned, divided by the points available. */
  criteria: z
    .array(
      z.strictObject({
        name: term,
        points: z.number().positive().max(100).default(1),
        allOf: terms.optional(),
        anyOf: terms.optional(),
        noneOf: terms.optional(),
        minWords: z.number().int().min(1).max(10_000).optional(),
        maxWords: z.number().int().min(1).max(10_000).optional(),
      }),
    )
    .min(1)
    .max(20),
});

/** The grading rules. The learner never sees them before answering. */
export const solution = z.discriminatedUnion('kind', [exact, numeric, keyword, ordering, rubric]);
export type Solution = z.output<typeof solution>;
export type ChallengeKind = Solution['kind'];
export const CHALLENGE_KINDS = ['exact', 'numeric', 'keyword', 'ordering', 'rubric'] as const satisfies ChallengeKind[];

export const difficulty = z.number().int().min(1).max(5);

/** A challenge as its author submits it. */
export const newChallenge = z.strictObject({
  topic: topicName,
  prompt: textField(2000),
  difficulty: difficulty.default(2),
  solution,
});
export type NewChallenge = z.output<typeof newChallenge>;

/** The answer of a learner: text, a number, or the items in the order the learner considers correct. */
export const answer = z.union([z.string().max(20_000), z.number(), z.array(z.string().max(200)).max(20)]);
export type Answer = z.output<typeof answer>;
