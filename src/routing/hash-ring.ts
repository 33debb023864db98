/**
 * A consistent-hash ring. Each member holds points in proportion to its weight. A key belongs to the first point after
 * its hash. Adding or removing a member moves only the keys between its own points and the neighbouring points.
 */
import { hash32, mix32 } from './hash.js';

export interface RingMember {
  readonly id: string;
  /** Relative share of the keys. */
  readonly share: number;
}

/** Points of a member with an average share: the standard deviation of the shares is about 1/√points. */
const POINTS = 128;
/** Fewer points per member if there are many members, so that a change stays cheap. Bounded load evens out the rest. */
const MIN_POINTS = 16;
const TOTAL_POINTS = 2 ** 17;
const SALT = 0x9e3779b9;
/** A point packs its 32-bit position and its member's index into one double, so that a typed array sorts natively. */
const MAX_MEMBERS = 2 ** 21;

export class HashRing<T extends RingMember> {
  readonly #members: readonly T[];
  readonly #points: Float64Array;

  constructor(members: readonly T[]) {
    if (members.length > MAX_MEMBERS) throw new RangeError(`HashRing: at most ${MAX_MEMBERS} members`);
    this.#members = members;
    const total = members.reduce((sum, member) => sum + member.share, 0);
    const average = pointsOfEach(members.length);
    const counts = members.map(({ share }) => Math.max(1, Math.round((average * members.length * share) / total)));
    const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
    let next = 0;
    members.forEach((member, index) => {
      const seed = hash32(member.id);
      for (let i = 1; i <= counts[index]!; i++) points[next++] = mix32(seed ^ Math.imul(i, SALT)) * MAX_MEMBERS + index;
    });
    this.#points = points.sort();
  }

  /**
   * The first accepted member at or after the position of the key; undefined if no member is accepted. O(log n) plus
   * the walk.
   */
  find(key: string, accepts: (member: T) => boolean): T | undefined {
    const points = this.#points;
    const start = this.#firstAtOrAfter(hash32(key) * MAX_MEMBERS);
    for (let i = 0; i < points.length; i++) {
      const point = points[(start + i) % points.length]!;
      const member = this.#members[point % MAX_MEMBERS]!;
      if (accepts(member)) return member;
    }
    return undefined;
  }

  #firstAtOrAfter(position: number): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#points[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A power of two, so that adding or removing a member changes the number of points of the others less often. */
function pointsOfEach(members: number): number {
  let points = POINTS;
  while (points > MIN_POINTS && points * members > TOTAL_POINTS) points /= 2;
  return points;
}
