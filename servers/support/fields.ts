/** Fields that the routes of several services take. */
import { z } from 'zod';

/**
 * Text of 1 to `max` characters, trimmed. Without U+0000: PostgreSQL cannot store it, and nobody types it.
 */
export function textField(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => !text.includes('\0'), { message: 'must not hold the character U+0000' });
}

export const learnerName = textField(100);
export const topicName = textField(100);
