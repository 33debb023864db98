/** The versions that resources had, and which of them a cache may still answer. */
import type { Clock } from '../../../src/shared/clock.js';
import { failureOf, type Resource } from './resource.js';

interface Period {
  readonly version: number;
  /** When it was replaced: by the clock, and by the count of changes, which orders changes within a millisecond. */
  until: number;
  untilMoment: number;
}

interface Question {
  readonly path: number;
  readonly headers: Readonly<Record<string, string>>;
}

export class History {
  readonly #clock: Clock;
  readonly #periods: Period[][];
  /** By path, and by host and path: the moment of the last invalidation. Versions replaced before it are gone. */
  readonly #forgotten = new Map<string, number>();
  /** By path: when a HEAD was answered that says nothing against what is stored. */
  readonly #confirmed = new Map<number, number>();
  #moment = 0;

  constructor(resources: number, clock: Clock) {
    this.#clock = clock;
    this.#periods = Array.from({ length: resources }, () => [newPeriod(1)]);
  }

  /** Now, in the count of changes. */
  moment(): number {
    return this.#moment;
  }

  version(path: number): number {
    return this.#periods[path]!.at(-1)!.version;
  }

  change(path: number): void {
    const periods = this.#periods[path]!;
    Object.assign(periods.at(-1)!, { until: this.#clock.now(), untilMoment: ++this.#moment });
    periods.push(newPeriod(periods.length + 1));
  }

  /** @param host the only one concerned: an unsafe request invalidates its own target URI (RFC 9111 §4.4) */
  forget(path: number, host = ''): void {
    this.#forgotten.set(`${host}/${path}`, ++this.#moment);
  }

  /**
   * A 200 to HEAD with no validator gives the stored response another lifetime (RFC 9111 §4.3.5), even if the content
   * would be different now.
   *
   * @param byExpress whether Express answers, which gives some kinds a validator of its own
   */
  confirm(path: number, { validator, kind }: Resource, byExpress: boolean): void {
    const hasValidator = validator !== 'none' || (byExpress && ['send', 'json', 'file'].includes(kind));
    if (!hasValidator) this.#confirmed.set(path, this.#clock.now());
  }

  /** The versions that were current when it was asked, or within the freshness that the resource states. */
  allowed({ path, headers }: Question, resource: Resource, askedAt: number): number[] {
    const current = this.#periods[path]!.filter(({ untilMoment }) => untilMoment > askedAt);
    const isFailing = current.some(({ version }) => failureOf(resource, version) !== 'never');
    const window = windowOf(resource, headers['cache-control'] ?? '', isFailing) * 1_000;
    const forgotten = ['', String(headers.host)].map((host) => this.#forgotten.get(`${host}/${path}`) ?? -1);
    const since = Math.max(...forgotten.filter((moment) => moment <= askedAt), -1);
    const now = this.#clock.now();
    const confirmed = this.#confirmed.get(path);
    const isConfirmed = confirmed !== undefined && confirmed >= now - window;
    const usable = this.#periods[path]!.filter(({ until, untilMoment }) => {
      if (untilMoment > askedAt) return true;
      return untilMoment > since && window > 0 && (until >= now - window || isConfirmed);
    });
    return usable.map(({ version }) => version);
  }
}

/**
 * Seconds for which an answer may be used after it was made.
 *
 * @param isFailing whether the resource failed while the request was on its way
 */
function windowOf({ lifetime, stale, covers, directives }: Resource, demanded: string, isFailing: boolean): number {
  if (demanded === 'no-cache' || demanded === 'no-store') return 0;
  const mayBeStale = !directives.includes('must-revalidate') && !directives.includes('no-cache');
  const covered = mayBeStale && isFailing ? covers : 0;
  // The oldest that may be demanded is this very moment, unless an error is covered.
  if (demanded === 'max-age=0') return isFailing ? lifetime + covered : 0;
  const accepted = demanded.startsWith('max-stale') ? 5 : 0;
  return lifetime + (mayBeStale ? Math.max(stale, accepted, covered) : 0);
}

const newPeriod = (version: number): Period => ({ version, until: Infinity, untilMoment: Infinity });
