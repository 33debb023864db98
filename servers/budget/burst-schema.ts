/** The input of bursts, and the policy for running them. */
import * as z from 'zod';

const MAX_PROMPT = 32_000;

export const policySchema = z.strictObject({
  concurrency: z.number().int().min(1).max(10).default(2),
  timeoutMs: z.number().int().min(100).max(120_000).default(30_000),
  streamMs: z.number().int().min(1000).max(600_000).default(120_000),
  resumeMs: z.number().int().min(0).max(60_000).default(2000),
  maxTokens: z.number().int().min(1).max(100_000).default(4096),
  cacheMs: z.number().int().min(0).max(86_400_000).default(60_000),
  disabled: z.array(z.string().max(64)).max(50).default([]),
});

export const burstSchema = z.strictObject({
  prompt: z.string().trim().min(1).max(MAX_PROMPT),
  system: z.string().max(MAX_PROMPT).optional(),
  maxTokens: z.number().int().min(1).default(512),
  cohortId: z.string().min(1).max(100).optional(),
  providers: z.array(z.string().max(64)).min(1).max(50).optional(),
});

export const streamSchema = burstSchema.extend({
  /** Time limit for the whole answer, in ms. The policy's `streamMs` is the default and the maximum. */
  deadlineMs: z.number().int().min(100).optional(),
});
