/** What services tell each other, and the bounds of it. */
import { ResilienceError } from '../../shared/errors.js';
import type { Stamp } from './hybrid-clock.js';

export type InvalidationKind = 'key' | 'pattern' | 'tag';

/** One invalidation, or, with a value, the news that a key now has it. Applying it twice is applying it once. */
export interface CoordinationMessage {
  readonly kind: InvalidationKind;
  readonly name: string;
  /** Who published it: the service, and which process of it. */
  readonly origin: string;
  readonly stamp: Stamp;
  /** For tags: leave what has grace, stale. */
  readonly soft?: boolean;
  /** The value, encoded; its format as the layers number it. */
  readonly value?: { readonly data: string; readonly format: number };
}

/** A digest to compare with, and the share of it to begin at. */
export interface DigestQuestion {
  readonly digest: readonly number[];
  readonly from: number;
}

/** A peer's own digest, what it knows where the two differ, and the share to go on with: `BUCKETS` when that was all. */
export interface DigestAnswer {
  readonly digest: readonly number[];
  readonly messages: readonly CoordinationMessage[];
  readonly next: number;
}

/** Numbers of a digest. */
export const BUCKETS = 128;
export const MAX_BATCH = 500;
export const MAX_BYTES = 1024 * 1024;
/** Whole shares are answered: the last may go beyond a batch. */
const MAX_ANSWER = 10_000;
const MAX_NAME = 8192;
const MAX_ID = 256;
const KINDS: readonly unknown[] = ['key', 'pattern', 'tag'];

/** Everything: what is sent in place of more messages than can be remembered. */
export function everything(origin: string, stamp: Stamp): CoordinationMessage {
  return { kind: 'pattern', name: '*', origin, stamp };
}

/** Whether a message stands for all there may be to invalidate. */
export function isEverything({ kind, name }: CoordinationMessage): boolean {
  return kind === 'pattern' && name === '*';
}

/** What a message is about: of two that are about the same the later one says all. */
export function aboutOf({ kind, soft, name }: CoordinationMessage): string {
  return `${kind}${soft === true ? '~' : ' '}${name}`;
}

/** @throws ResilienceError VALIDATION_FAILED naming what is wrong */
export function parseMessages(value: unknown): CoordinationMessage[] {
  if (!Array.isArray(value) || value.length > MAX_BATCH) throw invalid(`expected at most ${MAX_BATCH} messages`);
  return value.map(parseMessage);
}

/** @throws ResilienceError VALIDATION_FAILED naming what is wrong */
export function parseDigestAnswer(value: unknown): DigestAnswer {
  const { digest, messages, next } = asRecord(value, 'answer');
  if (!Array.isArray(messages) || messages.length > MAX_ANSWER)
    throw invalid(`expected at most ${MAX_ANSWER} messages`);
  return { digest: parseDigest(digest), messages: messages.map(parseMessage), next: asCount(next, 'next') };
}

/** @throws ResilienceError VALIDATION_FAILED naming what is wrong */
export function parseDigestQuestion(value: unknown): DigestQuestion {
  const { digest, from } = asRecord(value, 'question');
  return { digest: parseDigest(digest), from: asCount(from, 'from') };
}

function parseDigest(value: unknown): number[] {
  if (!Array.isArray(value) || value.length !== BUCKETS) throw invalid(`digest: expected ${BUCKETS} numbers`);
  return value.map((one) => asCount(one, 'digest'));
}

function parseMessage(value: unknown): CoordinationMessage {
  const { kind, name, origin, stamp, soft, value: carried } = asRecord(value, 'message');
  if (!KINDS.includes(kind)) throw invalid('kind: expected key, pattern or tag');
  return {
    kind: kind as InvalidationKind,
    name: asText(name, 'name', MAX_NAME),
    origin: asText(origin, 'origin', MAX_ID),
    stamp: parseStamp(stamp),
    ...(soft === true && { soft }),
    ...(carried !== undefined && { value: parseValue(carried) }),
  };
}

function parseStamp(value: unknown): Stamp {
  const { time, count } = asRecord(value, 'stamp');
  return { time: asCount(time, 'stamp.time'), count: asCount(count, 'stamp.count') };
}

function parseValue(value: unknown): { data: string; format: number } {
  const { data, format } = asRecord(value, 'value');
  return { data: asText(data, 'value.data', MAX_BYTES), format: asCount(format, 'value.format') };
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw invalid(`${what}: expected an object`);
  return value as Record<string, unknown>;
}

function asText(value: unknown, what: string, max: number): string {
  if (typeof value !== 'string' || value.length > max)
    throw invalid(`${what}: expected a text of at most ${max} characters`);
  return value;
}

function asCount(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw invalid(`${what}: expected a whole number`);
  return value as number;
}

function invalid(detail: string): ResilienceError {
  return new ResilienceError('VALIDATION_FAILED', `cache coordination: ${detail}`);
}

/** The service an origin belongs to. */
export function serviceOf(origin: string): string {
  return origin.slice(0, origin.lastIndexOf('#'));
}
