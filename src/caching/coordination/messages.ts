/** The messages that services exchange, and their bounds. */
import { ResilienceError } from '../../shared/errors.js';
import type { Stamp } from './hybrid-clock.js';

/** The subject of an invalidation. */
export type InvalidationKind = 'key' | 'pattern' | 'tag';

/**
 * One invalidation. With a value, it reports that a key has a new value. Applying it twice has the same effect as once.
 */
export interface CoordinationMessage {
  readonly kind: InvalidationKind;
  readonly name: string;
  /** The publisher: the service and its process. */
  readonly origin: string;
  readonly stamp: Stamp;
  /** For tags: keep entries with grace as stale. */
  readonly soft?: boolean;
  /** The encoded value, with the format number of the layers. */
  readonly value?: { readonly data: string; readonly format: number };
}

/** A digest to compare with, and the share of it at which to begin. */
export interface DigestQuestion {
  readonly digest: readonly number[];
  readonly from: number;
}

/**
 * The digest of a peer, the messages it knows in the shares that differ, and the share to continue with: `BUCKETS`
 * after the last.
 */
export interface DigestAnswer {
  readonly digest: readonly number[];
  readonly messages: readonly CoordinationMessage[];
  readonly next: number;
}

/** Numbers of a digest. */
export const BUCKETS = 128;
export const MAX_BATCH = 500;
export const MAX_BYTES = 1024 * 1024;
/** Whole shares are returned, so the last one may exceed a batch. */
const MAX_ANSWER = 10_000;
const MAX_NAME = 8192;
const MAX_ID = 256;
const KINDS: readonly unknown[] = ['key', 'pattern', 'tag'];

/** Invalidates everything. It replaces messages beyond the number that can be kept. */
export function everything(origin: string, stamp: Stamp): CoordinationMessage {
  return { kind: 'pattern', name: '*', origin, stamp };
}

/** Whether a message stands for everything that can be invalidated. */
export function isEverything({ kind, name }: CoordinationMessage): boolean {
  return kind === 'pattern' && name === '*';
}

/** The subject of a message. Of two messages with the same subject, the later one replaces the earlier one. */
export function aboutOf({ kind, soft, name }: CoordinationMessage): string {
  return `${kind}${soft === true ? '~' : ' '}${name}`;
}

/** @throws ResilienceError VALIDATION_FAILED that names the faulty member */
export function parseMessages(value: unknown): CoordinationMessage[] {
  if (!Array.isArray(value) || value.length > MAX_BATCH) throw invalid(`expected at most ${MAX_BATCH} messages`);
  return value.map(parseMessage);
}

/** @throws ResilienceError VALIDATION_FAILED that names the faulty member */
export function parseDigestAnswer(value: unknown): DigestAnswer {
  const { digest, messages, next } = asRecord(value, 'answer');
  if (!Array.isArray(messages) || messages.length > MAX_ANSWER)
    throw invalid(`expected at most ${MAX_ANSWER} messages`);
  return { digest: parseDigest(digest), messages: messages.map(parseMessage), next: asCount(next, 'next') };
}

/** @throws ResilienceError VALIDATION_FAILED that names the faulty member */
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
