/**
 * What a response says about limits. The `RateLimit` draft still moves, so each revision that is spoken has its own
 * serialiser under its version; `draft` is the latest.
 */
import type { ServerResponse } from 'node:http';
import { wallClock } from '../shared/clock.js';
import type { Quota } from './quota.js';
import type { Charge } from './store.js';

/** 'draft': RateLimit and RateLimit-Policy; 'legacy': X-RateLimit-Limit, -Remaining and -Reset; 'both'; 'none'. */
export type HeaderStyle = 'draft' | 'legacy' | 'both' | 'none';

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
  const missing = remaining < 1 ? 1 - remaining : quota.rateLimit - remaining;
  if (missing <= 0) return 0;
  // A hair off, so that 5 / 10 seconds of floating point do not become one second more.
  return quota.refillRate === 0 ? Infinity : Math.ceil(missing / quota.refillRate - 1e-9);
}

/** The function that writes the fields of a style. */
export function limitWriter(style: HeaderStyle): WriteLimits {
  switch (style) {
    case 'draft':
      return writeDraft;
    case 'legacy':
      return writeLegacy;
    case 'both':
      return (res, charges) => {
        writeDraft(res, charges);
        writeLegacy(res, charges);
      };
    case 'none':
      return () => undefined;
  }
}

/** What does not change from one response to the next. */
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

function writeDraft(res: ServerResponse, charges: readonly Charge[]): void {
  const { name, policy } = textOf(charges[0]!.quota);
  let policies = policy;
  let states = current.state(name, charges[0]!);
  for (let i = 1; i < charges.length; i++) {
    const text = textOf(charges[i]!.quota);
    policies += `, ${text.policy}`;
    states += `, ${current.state(text.name, charges[i]!)}`;
  }
  // Another limiter may have spoken already: both fields are lists.
  const before = res.getHeader('RateLimit');
  if (before !== undefined) {
    policies = `${String(res.getHeader('RateLimit-Policy'))}, ${policies}`;
    states = `${String(before)}, ${states}`;
  }
  res.setHeader('RateLimit-Policy', policies);
  res.setHeader('RateLimit', states);
}

/** The old fields know one limit: the one that is nearest to its end. The reset is a Unix time in seconds. */
function writeLegacy(res: ServerResponse, charges: readonly Charge[]): void {
  let tightest = charges[0]!;
  for (const charge of charges) if (partLeft(charge) < partLeft(tightest)) tightest = charge;
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
