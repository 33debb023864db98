/** Field schemas shared by the routes of several services. */
import * as z from 'zod';

/** Text of 1 to `max` characters, trimmed. It must not contain U+0000, because PostgreSQL cannot store it. */
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
