/**
 * The header fields that report limits. The `RateLimit` draft still changes, so each supported revision has its own
 * serialiser; `draft` is the latest.
 */
import type { ServerResponse } from 'node:http';
import { wallClock } from '../shared/clock.js';
import { openFieldRecord, setValidField } from '../shared/field-record.js';
import type { Quota } from './quota.js';
import type { Charge } from './store.js';

/**
 * 'draft': RateLimit and RateLimit-Policy of the current draft; 'draft-7' and 'draft-6': those of revisions 7 (one
 * RateLimit field) and 6 (RateLimit-Limit, -Remaining, -Reset); 'legacy': X-RateLimit-Limit, -Remaining and -Reset;
 * 'both': 'draft' and 'legacy'; 'none'.
 */
export type HeaderStyle = (typeof HEADER_STYLES)[number];

export const HEADER_STYLES = ['draft', 'draft-7', 'draft-6', 'legacy', 'both', 'none'] as const;

/** The partition key that clients are shown for a bucket, in base64. */
export type PartitionKey = (charge: Charge) => string;

/** Writes header fields for buckets just decided on. */
export type WriteLimits = (res: ServerResponse, charges: readonly Charge[]) => void;

/** The members of the fields of one revision of draft-ietf-httpapi-ratelimit-headers. */
interface DraftSerialiser {
  policy(quota: Quota): string;
  /** @param name the policy's name, serialised */
  state(name: string, charge: Charge): string;
}

const LARGEST_INTEGER = 999_999_999_999_999; // RFC 9651 §3.3.1

/** draft-ietf-httpapi-ratelimit-headers-11: `"name";q=quota;w=window` and `"name";r=remaining;t=seconds`. */
const draft11: DraftSerialiser = {
  policy(quota) {
    const window = quota.rateLimit / quota.refillRate;
    // A window is whole seconds (§3.1.2): one shorter than that cannot be said, and is left out.
    const shown = window >= 1 && Number.isFinite(window) ? `;w=${integer(Math.ceil(window))}` : '';
    return `${quoted(quota.name)};q=${integer(Math.floor(quota.rateLimit))}${shown}`;
  },
  state(name, charge) {
    const reset = secondsUntilMore(charge);
    const shown = reset === Infinity ? '' : `;t=${integer(reset)}`;
    return `${name};r=${integer(wholeTokens(charge))}${shown}`;
  },
};

/** Revisions by number; the draft's next one is added here and `current` follows. */
const DRAFTS = { 11: draft11 } as const;
const current: DraftSerialiser = DRAFTS[11];

/** Whole seconds until the bucket holds more than is said to remain: full again, or, when it is empty, able to pay. */
export function secondsUntilMore(charge: Charge): number {
  const { quota, remaining, retryAfter } = charge;
  if (retryAfter > 0) return Math.ceil(retryAfter / 1000);
  if (quota.window !== 0 && charge.resetAfter !== undefined) return Math.ceil(charge.resetAfter / 1000);
  const missing = remaining < 1 ? 1 - remaining : quota.rateLimit - remaining;
  if (missing <= 0) return 0;
  // A hair off, so that 5 / 10 seconds of floating point do not become one second more.
  return quota.refillRate === 0 ? Infinity : Math.ceil(missing / quota.refillRate - 1e-9);
}

/**
 * The function that writes the fields of a style.
 *
 * @param partitionKey adds the parameter `pk` to the fields of the current draft
 */
export function limitWriter(style: HeaderStyle, partitionKey?: PartitionKey): WriteLimits {
  switch (style) {
    case 'draft':
      return partitionKey === undefined ? writeDraft : (res, charges) => writeDraft(res, charges, partitionKey);
    case 'draft-7':
      return writeDraft7;
    case 'draft-6':
      return writeDraft6;
    case 'legacy':
      return writeLegacy;
    case 'both':
      return (res, charges) => {
        writeDraft(res, charges, partitionKey);
        writeLegacy(res, charges);
      };
    case 'none':
      return () => undefined;
  }
}

/** The texts that are equal in all responses. */
interface FixedText {
  readonly name: string;
  readonly policy: string;
}

const texts = new WeakMap<Quota, FixedText>();

function textOf(quota: Quota): FixedText {
  let text = texts.get(quota);
  if (text === undefined) {
    text = { name: quoted(quota.name), policy: current.policy(quota) };
    texts.set(quota, text);
  }
  return text;
}

function writeDraft(res: ServerResponse, charges: readonly Charge[], partitionKey?: PartitionKey): void {
  let policies = '';
  let states = '';
  for (let i = 0; i < charges.length; i++) {
    const one = charges[i]!;
    const { name, policy } = textOf(one.quota);
    const key = partitionKey === undefined ? '' : `;pk=:${partitionKey(one)}:`; // a Byte Sequence (§3.1.4, §4.1.3)
    policies += i === 0 ? policy + key : `, ${policy}${key}`;
    states += (i === 0 ? '' : ', ') + current.state(name, one) + key;
  }
  // Another limiter may have spoken already: both fields are lists. Node looks a name in lower case up much faster.
  const before = res.getHeader('ratelimit');
  if (before !== undefined) {
    policies = `${String(res.getHeader('ratelimit-policy'))}, ${policies}`;
    states = `${String(before)}, ${states}`;
  }
  const record = openFieldRecord(res);
  setValidField(res, record, 'RateLimit-Policy', 'ratelimit-policy', policies);
  setValidField(res, record, 'RateLimit', 'ratelimit', states);
}

/** The older fields know one limit: the one that is nearest to its end. */
function tightestOf(charges: readonly Charge[]): Charge {
  let tightest = charges[0]!;
  for (const charge of charges) if (partLeft(charge) < partLeft(tightest)) tightest = charge;
  return tightest;
}

/** `100;w=10`: quota and window in whole seconds, at least one (draft-ietf-httpapi-ratelimit-headers-07 §2.1). */
function policyOfOlderDrafts({ rateLimit, refillRate }: Quota): string {
  const window = refillRate === 0 ? '' : `;w=${integer(Math.max(1, Math.ceil(rateLimit / refillRate)))}`;
  return `${integer(Math.floor(rateLimit))}${window}`;
}

function writeDraft7(res: ServerResponse, charges: readonly Charge[]): void {
  const tightest = tightestOf(charges);
  const reset = secondsUntilMore(tightest);
  const shown = reset === Infinity ? '' : `, reset=${integer(reset)}`;
  const limit = integer(Math.floor(tightest.quota.rateLimit));
  res.setHeader('RateLimit-Policy', policyOfOlderDrafts(tightest.quota));
  res.setHeader('RateLimit', `limit=${limit}, remaining=${integer(wholeTokens(tightest))}${shown}`);
}

function writeDraft6(res: ServerResponse, charges: readonly Charge[]): void {
  const tightest = tightestOf(charges);
  const reset = secondsUntilMore(tightest);
  res.setHeader('RateLimit-Policy', policyOfOlderDrafts(tightest.quota));
  res.setHeader('RateLimit-Limit', String(integer(Math.floor(tightest.quota.rateLimit))));
  res.setHeader('RateLimit-Remaining', String(wholeTokens(tightest)));
  if (reset !== Infinity) res.setHeader('RateLimit-Reset', String(integer(reset)));
}

/** The reset is a Unix time in seconds. */
function writeLegacy(res: ServerResponse, charges: readonly Charge[]): void {
  const tightest = tightestOf(charges);
  res.setHeader('X-RateLimit-Limit', String(Math.floor(tightest.quota.rateLimit)));
  res.setHeader('X-RateLimit-Remaining', String(wholeTokens(tightest)));
  const reset = secondsUntilMore(tightest);
  if (reset !== Infinity) res.setHeader('X-RateLimit-Reset', String(Math.ceil(wallClock.now() / 1000) + reset));
}

function partLeft({ remaining, quota }: Charge): number {
  return quota.rateLimit === 0 ? 0 : remaining / quota.rateLimit;
}

function wholeTokens({ remaining }: Charge): number {
  return remaining > 0 ? Math.floor(remaining) : 0;
}

function integer(value: number): number {
  return value > LARGEST_INTEGER ? LARGEST_INTEGER : value;
}

/** A structured field string (RFC 9651 §4.1.6); policy names are printable ASCII. */
function quoted(name: string): string {
  return `"${name.replace(/[\\"]/g, '\\$&')}"`;
}
