/** Query parameters for traces, equal for one service and for the whole fleet. */
import * as z from 'zod';

const MOST_ATTRIBUTES = 12;

const attribute = z
  .string()
  .max(500)
  .regex(/^[^:]+:/, 'expected name:value');

/** Milliseconds for which a trace stays readable after a page said that it shows a link to it. */
export const HOLD_MS = 300_000;

/** Maximum number of traces in one request. */
const MOST_HELD = 200;

export const traceId = z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 lowercase hexadecimal digits');
export const traceIdList = z.array(traceId).max(MOST_HELD);

export const traceFields = {
  minDuration: z.coerce.number().min(0).optional(),
  maxDuration: z.coerce.number().min(0).optional(),
  status: z
    .union([z.enum(['success', 'error']), z.coerce.number().int().min(100).max(599)], {
      error: 'expected success, error or an HTTP status',
    })
    .optional(),
  route: z.string().max(200).optional(),
  from: z.coerce.number().min(0).optional(),
  to: z.coerce.number().min(0).optional(),
  /** `name:value`, may be repeated. */
  attribute: z
    .union([attribute, z.array(attribute).max(MOST_ATTRIBUTES)], { error: 'expected name:value' })
    .transform((given) => (typeof given === 'string' ? [given] : given))
    .optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

/** The pairs from the query parameter `attribute`. */
export function attributesOf(given: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries((given ?? []).map((pair) => splitPair(pair)));
}

function splitPair(pair: string): [name: string, value: string] {
  const at = pair.indexOf(':');
  return [pair.slice(0, at), pair.slice(at + 1)];
}
