/** What every balancing algorithm must do, as cases a user can run on their own. */
import { ok, strictEqual } from 'node:assert/strict';
import type { BalancedInstance, BalancingAlgorithm } from '../routing/algorithms/algorithm.js';
import type { ConformanceCase } from './conformance-case.js';

/** An instance whose every property a case sets. */
export class FakeInstance implements BalancedInstance {
  readonly id: string;
  readonly zone = undefined;
  inFlight = 0;
  isCandidate = true;
  configuredWeight: number;
  /** Milliseconds an answer takes. */
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

/** Counts how often it is looked at. */
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

/** Many picks with all kinds of keys, each answered before the next; who was picked, and how often. */
function spread(
  algorithm: BalancingAlgorithm,
  picks: number,
  excluded?: ReadonlySet<BalancedInstance>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const picked = algorithm.pick(NOW, i % 3 === 0 ? undefined : `key-${i}`, excluded);
    ok(picked !== undefined, 'a candidate was there and none was picked');
    counts.set(picked.id, (counts.get(picked.id) ?? 0) + 1);
  }
  return counts;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'picks nothing before it knows anyone, and from nobody': (algorithm) => {
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
    ok(!counts.has(members[1]!.id) && !counts.has(members[4]!.id), 'one that is no candidate was picked');
  },
  'leaves out who is excluded, to the last': (algorithm) => {
    const members = instances(3);
    update(algorithm, members);
    const excluded = new Set<BalancedInstance>([members[0]!, members[2]!]);
    strictEqual(spread(algorithm, 50, excluded).get(members[1]!.id), 50);
    excluded.add(members[1]!);
    strictEqual(algorithm.pick(NOW, 'key', excluded), undefined);
    strictEqual(algorithm.pick(NOW, undefined, excluded), undefined);
  },
  'uses every one of equal candidates, and roughly equally': (algorithm) => {
    const members = instances(8);
    update(algorithm, members);
    const picks = 8000;
    const counts = spread(algorithm, picks);
    for (const { id } of members) {
      const share = (counts.get(id) ?? 0) / (picks / members.length);
      ok(share > 0.4 && share < 1.7, `${id} got ${share.toFixed(2)} of its share`);
    }
  },
  'learns who joins and who leaves with the next update': (algorithm) => {
    const [a, b, c] = instances(3) as [FakeInstance, FakeInstance, FakeInstance];
    update(algorithm, [a, b]);
    spread(algorithm, 20);
    update(algorithm, [b, c]);
    const counts = spread(algorithm, 600);
    strictEqual(counts.get(a.id), undefined);
    ok(counts.has(b.id) && counts.has(c.id), 'one of those that are there got nothing');
  },
  'keeps going while the load changes': (algorithm) => {
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
  'is told of one it does not know, and does not mind': (algorithm) => {
    const members = instances(2);
    update(algorithm, members);
    algorithm.changed?.(new FakeInstance('stranger:1'));
    ok(algorithm.pick(NOW, 'key') !== undefined);
  },
  'looks at a few of ten thousand for a pick, not at all': (algorithm) => {
    const seen = { looks: 0 };
    const members = Array.from({ length: 10_000 }, (_, i) => new WatchedInstance(`host-${i}:3000`, seen));
    update(algorithm, members);
    spread(algorithm, 1000);
    seen.looks = 0;
    const picks = 3000;
    spread(algorithm, picks);
    ok(seen.looks < 200 * picks, `it looked ${Math.round(seen.looks / picks)} times for each pick`);
  },
};

/** The cases; each is run with a function that makes the algorithm anew. */
export const balancingAlgorithmCases: readonly ConformanceCase<BalancingAlgorithm>[] = Object.entries(CHECKS).map(
  ([name, check]) => ({ name, run: async (create) => check(await create()) }),
);
