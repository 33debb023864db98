/** What a challenge is: a prompt and, by kind, the facts its answers are graded against. */
import { z } from 'zod';
import { textField, topicName } from '../support/fields.js';

const term = textField(200);
const terms = z.array(term).min(1).max(50);

const exact = z.strictObject({
  kind: z.literal('exact'),
  /** Any of these is right. */
  accepted: terms,
  caseSensitive: z.boolean().default(false),
});

const numeric = z.strictObject({
  kind: z.literal('numeric'),
  value: z.number(),
  /** How far off an answer may be: `tolerance` in the value's unit, or `relative` as a part of the value; the wider holds. */
  tolerance: z.number().min(0).default(0),
  relative: z.number().min(0).max(1).default(0),
});

const keyword = z.strictObject({
  kind: z.literal('keyword'),
  /** Each is found through any of its spellings; the score is the weight found over the weight of all. */
  keywords: z
    .array(z.strictObject({ anyOf: terms, weight: z.number().positive().max(100).default(1) }))
    .min(1)
    .max(50),
});

const ordering = z
  .strictObject({
    kind: z.literal('ordering'),
    /** In the right order; the learner sees them shuffled. */
    items: z.array(term).min(2).max(20),
  })
  .refine(({ items }) => new Set(items).size === items.length, { message: 'items must differ', path: ['items'] });

const rubric = z.strictObject({
  kind: z.literal('rubric'),
  /** A criterion is met when all its conditions hold; the score is the points earned over the points there are. */
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

/** How answers are graded: never shown to the learner before the answer. */
export const solution = z.discriminatedUnion('kind', [exact, numeric, keyword, ordering, rubric]);
export type Solution = z.output<typeof solution>;
export type ChallengeKind = Solution['kind'];
export const CHALLENGE_KINDS = ['exact', 'numeric', 'keyword', 'ordering', 'rubric'] as const satisfies ChallengeKind[];

export const difficulty = z.number().int().min(1).max(5);

/** A challenge as its author writes it. */
export const newChallenge = z.strictObject({
  topic: topicName,
  prompt: textField(2000),
  difficulty: difficulty.default(2),
  solution,
});
export type NewChallenge = z.output<typeof newChallenge>;

/** What a learner sends: text, a number, or items in the order they think is right. */
export const answer = z.union([z.string().max(20_000), z.number(), z.array(z.string().max(200)).max(20)]);
export type Answer = z.output<typeof answer>;
