/**
 * Ejects an instance that responds worse than its peers for a limited time. Consecutive failures eject it, longer each
 * time. Only a share of all instances may be ejected, because if most of them fail, the cause is elsewhere.
 */
import { checkOptions, count, milliseconds, number, type OptionChecks } from '../shared/options.js';

/** When the responses of an instance eject it, and for how long. */
export interface OutlierOptions {
  /** Consecutive failures that eject: a 5xx other than 503 with Retry-After, or no response. Default 5. */
  readonly consecutive?: number;
  /** Milliseconds of the first ejection; the n-th ejection lasts n times as long. Default 30 000. */
  readonly ejectionTime?: number;
  /** The longest ejection in milliseconds. Default 300 000. */
  readonly maxEjectionTime?: number;
  /** The largest share of the instances that may be ejected at once; at least one always may. Default 0.1. */
  readonly maxEjected?: number;
  /** Milliseconds without any response, while requests wait, after which an instance counts as frozen. Default 2000. */
  readonly stallTimeout?: number;
}

export const OUTLIER_CHECKS: OptionChecks<OutlierOptions> = {
  consecutive: count(),
  ejectionTime: milliseconds,
  maxEjectionTime: milliseconds,
  maxEjected: number({ min: 0, max: 1 }),
  stallTimeout: milliseconds,
};

interface Record {
  failures: number;
  /** Ejections that count against the instance. One is forgiven per `ejectionTime` without an ejection. */
  ejections: number;
  until: number;
  lastChange: number;
}

export class OutlierDetector<T extends object> {
  readonly stallTimeout: number;
  readonly #consecutive: number;
  readonly #ejectionTime: number;
  readonly #maxEjectionTime: number;
  readonly #maxEjected: number;
  readonly #records = new Map<T, Record>();

  constructor(options?: OutlierOptions) {
    const checked = checkOptions('outlier', options, OUTLIER_CHECKS);
    this.stallTimeout = checked.stallTimeout ?? 2000;
    this.#consecutive = checked.consecutive ?? 5;
    this.#ejectionTime = checked.ejectionTime ?? 30_000;
    this.#maxEjectionTime = checked.maxEjectionTime ?? 300_000;
    this.#maxEjected = checked.maxEjected ?? 0.1;
  }

  add(item: T): void {
    this.#records.set(item, { failures: 0, ejections: 0, until: -Infinity, lastChange: -Infinity });
  }

  remove(item: T): void {
    this.#records.delete(item);
  }

  succeeded(item: T, now: number): void {
    const record = this.#records.get(item);
    if (record === undefined) return;
    record.failures = 0;
    if (record.ejections > 0 && now - record.lastChange >= this.#ejectionTime) {
      record.ejections--;
      record.lastChange = now;
    }
  }

  /** Counts a failure. Returns true if it ejects the instance. */
  failed(item: T, now: number): boolean {
    const record = this.#records.get(item);
    if (record === undefined) return false;
    record.failures++;
    return record.failures >= this.#consecutive && this.eject(item, now);
  }

  /** Ejects the instance, unless it is ejected already or too many are. Returns whether it did. */
  eject(item: T, now: number): boolean {
    const record = this.#records.get(item);
    if (record === undefined || record.until > now) return false;
    if (this.#ejected(now) >= Math.max(1, Math.floor(this.#maxEjected * this.#records.size))) return false;
    record.ejections++;
    record.failures = 0;
    record.until = now + Math.min(record.ejections * this.#ejectionTime, this.#maxEjectionTime);
    record.lastChange = record.until;
    return true;
  }

  /** Ends an ejection early. Returns whether the instance was ejected. */
  release(item: T, now: number): boolean {
    const record = this.#records.get(item);
    if (record === undefined || record.until <= now) return false;
    record.until = now;
    record.lastChange = now;
    return true;
  }

  /** When the ejection ends. In the past if the instance is not ejected. */
  ejectedUntil(item: T): number {
    return this.#records.get(item)?.until ?? -Infinity;
  }

  /** Ejections that count against the instance. */
  ejections(item: T): number {
    return this.#records.get(item)?.ejections ?? 0;
  }

  #ejected(now: number): number {
    let ejected = 0;
    for (const record of this.#records.values()) if (record.until > now) ejected++;
    return ejected;
  }
}
