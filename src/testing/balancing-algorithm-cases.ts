/** The requirements on every balancing algorithm, as cases that users can run on their own algorithms. */
import { ok, strictEqual } from 'node:assert/strict';
import type { BalancedInstance, BalancingAlgorithm } from '../routing/algorithms/algorithm.js';
import type { ConformanceCase } from './conformance-case.js';

/**
 * An instance with properties that a case can set.
 *
 * @example
 * import type { BalancingAlgorithm } from '@tooloo/resilience';
 * import { FakeInstance } from '@tooloo/resilience/testing';
 *
 * export function pickFrom(algorithm: BalancingAlgorithm): string | undefined {
 *   const instances = [new FakeInstance('a'), new FakeInstance('b', 2)];
 *   algorithm.update(instances, instances);
 *   return algorithm.pick(0)?.id;
 * }
 */
export class FakeInstance implements BalancedInstance {
  readonly id: string;
  readonly zone = undefined;
  inFlight = 0;
  isCandidate = true;
  configuredWeight: number;
  /** The duration of a response in milliseconds. */
  latency = 10;

  constructor(id: string, weight = 1) {
    this.id = id;
    this.configuredWeight = weight;
  }

  weight(): number {
    return this.configuredWeight;
  }

  ramp(): number {
    return 1;
  }

  cost(): number {
    return (this.latency * (this.inFlight + 1)) / this.configuredWeight;
  }
}

/** Counts the reads of its properties. */
class WatchedInstance extends FakeInstance {
  readonly #seen: { looks: number };

  constructor(id: string, seen: { looks: number }) {
    super(id);
    this.#seen = seen;
  }

  override weight(): number {
    this.#seen.looks++;
    return super.weight();
  }

  override cost(): number {
    this.#seen.looks++;
    return super.cost();
  }
}

type Check = (algorithm: BalancingAlgorithm) => void;

const NOW = 1_000_000;

function instances(count: number): FakeInstance[] {
  return Array.from({ length: count }, (_, i) => new FakeInstance(`10.0.0.${i + 1}:3000`));
}

function update(algorithm: BalancingAlgorithm, members: readonly FakeInstance[]): void {
  const candidates = members.filter((instance) => instance.isCandidate);
  algorithm.update(candidates, members);
}

/**
 * Picks many times with all kinds of keys and completes each request before the next. Returns how often each instance
 * was picked.
 */
function spread(
  algorithm: BalancingAlgorithm,
  picks: number,
  excluded?: ReadonlySet<BalancedInstance>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const picked = algorithm.pick(NOW, i % 3 === 0 ? undefined : `key-${i}`, excluded);
    ok(picked !== undefined, 'there was a candidate, but the algorithm picked no instance');
    counts.set(picked.id, (counts.get(picked.id) ?? 0) + 1);
  }
  return counts;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'picks nothing before the first update, and from an empty set': (algorithm) => {
    strictEqual(algorithm.pick(NOW, 'key'), undefined);
    algorithm.update([], []);
    strictEqual(algorithm.pick(NOW), undefined);
  },
  'picks the only candidate, with and without a key': (algorithm) => {
    const [only] = instances(1);
    update(algorithm, [only!]);
    strictEqual(algorithm.pick(NOW), only);
    strictEqual(algorithm.pick(NOW, 'key'), only);
  },
  'picks candidates only': (algorithm) => {
    const members = instances(5);
    members[1]!.isCandidate = false;
    members[4]!.isCandidate = false;
    update(algorithm, members);
    const counts = spread(algorithm, 500);
    ok(!counts.has(members[1]!.id) && !counts.has(members[4]!.id), 'an instance that is not a candidate was picked');
  },
  'leaves out excluded instances, even if all are excluded': (algorithm) => {
    const members = instances(3);
    update(algorithm, members);
    const excluded = new Set<BalancedInstance>([members[0]!, members[2]!]);
    strictEqual(spread(algorithm, 50, excluded).get(members[1]!.id), 50);
    excluded.add(members[1]!);
    strictEqual(algorithm.pick(NOW, 'key', excluded), undefined);
    strictEqual(algorithm.pick(NOW, undefined, excluded), undefined);
  },
  'picks all of equal candidates, and about equally often': (algorithm) => {
    const members = instances(8);
    update(algorithm, members);
    const picks = 8000;
    const counts = spread(algorithm, picks);
    for (const { id } of members) {
      const share = (counts.get(id) ?? 0) / (picks / members.length);
      ok(share > 0.4 && share < 1.7, `${id} received ${share.toFixed(2)} of its share`);
    }
  },
  'respects added and removed instances from the next update on': (algorithm) => {
    const [a, b, c] = instances(3) as [FakeInstance, FakeInstance, FakeInstance];
    update(algorithm, [a, b]);
    spread(algorithm, 20);
    update(algorithm, [b, c]);
    const counts = spread(algorithm, 600);
    strictEqual(counts.get(a.id), undefined);
    ok(counts.has(b.id) && counts.has(c.id), 'one of the remaining instances was never picked');
  },
  'works while the load changes': (algorithm) => {
    const members = instances(4);
    update(algorithm, members);
    const open: FakeInstance[] = [];
    for (let i = 0; i < 1000; i++) {
      const picked = algorithm.pick(NOW + i, `key-${i}`) as FakeInstance | undefined;
      ok(picked !== undefined);
      picked.inFlight++;
      algorithm.changed?.(picked);
      open.push(picked);
      if (open.length > 20) {
        const done = open.shift()!;
        done.inFlight--;
        algorithm.changed?.(done);
      }
    }
  },
  'ignores a change of an instance that it does not know': (algorithm) => {
    const members = instances(2);
    update(algorithm, members);
    algorithm.changed?.(new FakeInstance('stranger:1'));
    ok(algorithm.pick(NOW, 'key') !== undefined);
  },
  'reads only a few of ten thousand instances per pick': (algorithm) => {
    const seen = { looks: 0 };
    const members = Array.from({ length: 10_000 }, (_, i) => new WatchedInstance(`host-${i}:3000`, seen));
    update(algorithm, members);
    spread(algorithm, 1000);
    seen.looks = 0;
    const picks = 3000;
    spread(algorithm, picks);
    ok(seen.looks < 200 * picks, `it read ${Math.round(seen.looks / picks)} properties per pick`);
  },
};

/**
 * The cases. Run each with a function that creates the algorithm.
 *
 * @example
 * import { test } from 'node:test';
 * import type { BalancingAlgorithm } from '@tooloo/resilience';
 * import { balancingAlgorithmCases } from '@tooloo/resilience/testing';
 *
 * export function testAlgorithm(create: () => BalancingAlgorithm): void {
 *   for (const { name, run } of balancingAlgorithmCases) test(name, () => run(create));
 * }
 */
export const balancingAlgorithmCases: readonly ConformanceCase<BalancingAlgorithm>[] = Object.entries(CHECKS).map(
  ([name, check]) => ({ name, run: async (create) => check(await create()) }),
);
