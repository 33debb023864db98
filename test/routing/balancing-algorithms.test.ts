import { ALGORITHM_NAMES, createAlgorithm } from '../../src/routing/algorithms/index.js';
import type { BalancedInstance } from '../../src/routing/algorithms/algorithm.js';
import { balancingAlgorithmCases, FakeInstance } from '../../src/testing.js';
import { seededRandom } from '../support/seeded-random.js';
import fc from '../support/fast-check.js';

const instances = (...weights: number[]): FakeInstance[] =>
  weights.map((weight, i) => new FakeInstance(`i${i}`, weight));

describe.each(ALGORITHM_NAMES)('%s conforms', (name) => {
  for (const { name: title, run } of balancingAlgorithmCases) {
    test(title, () => run(() => createAlgorithm(name, seededRandom(7))));
  }
});

/** How often each of them is picked, in order. */
function shares(members: readonly FakeInstance[], picked: ReadonlyArray<BalancedInstance | undefined>): number[] {
  return members.map((member) => picked.filter((one) => one === member).length);
}

describe('round-robin', () => {
  test('takes turns exactly', () => {
    const algorithm = createAlgorithm('round-robin');
    const members = instances(1, 1, 1);
    algorithm.update(members, members);
    const picked = Array.from({ length: 7 }, () => algorithm.pick(0)!.id);
    expect(picked).toEqual(['i0', 'i1', 'i2', 'i0', 'i1', 'i2', 'i0']);
  });

  test('gives one that starts slowly the share it has', () => {
    const algorithm = createAlgorithm('round-robin');
    const members = instances(1, 1);
    members[1]!.ramp = () => 0.25;
    algorithm.update(members, members);
    const picked = Array.from({ length: 1000 }, () => algorithm.pick(0));
    expect(shares(members, picked)).toEqual([800, 200]);
  });
});

describe('smooth weighted', () => {
  test('5:1:1 gives exactly that, the light ones spread between the heavy', () => {
    const algorithm = createAlgorithm('weighted');
    const members = instances(5, 1, 1);
    algorithm.update(members, members);
    const picked = Array.from({ length: 7000 }, () => algorithm.pick(0));
    expect(shares(members, picked)).toEqual([5000, 1000, 1000]);
    const longest = Math.max(
      ...picked
        .map((one) => one!.id)
        .join('')
        .split(/i[12]/)
        .map((run) => run.length / 2),
    );
    expect(longest).toBeLessThanOrEqual(6);
  });

  test('no instance is ever two requests ahead of or behind its share', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weights) => {
        const algorithm = createAlgorithm('weighted');
        const members = instances(...weights);
        algorithm.update(members, members);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = new Map<BalancedInstance, number>();
        let furthest = 0;
        for (let n = 1; n <= 3 * total; n++) {
          const picked = algorithm.pick(0)!;
          counts.set(picked, (counts.get(picked) ?? 0) + 1);
          for (const member of members) {
            const due = (n * member.configuredWeight) / total;
            furthest = Math.max(furthest, Math.abs((counts.get(member) ?? 0) - due));
          }
        }
        expect(furthest).toBeLessThan(2);
      }),
      { numRuns: 50 },
    );
  });
});

describe('least-connections', () => {
  test('goes to the least loaded for its weight; equals take turns', () => {
    const algorithm = createAlgorithm('least-connections');
    const members = instances(1, 1, 2);
    algorithm.update(members, members);
    const pick = (): string => {
      const picked = algorithm.pick(0) as FakeInstance;
      picked.inFlight++;
      algorithm.changed!(picked);
      return picked.id;
    };
    expect(Array.from({ length: 8 }, pick).sort()).toEqual(['i0', 'i0', 'i1', 'i1', 'i2', 'i2', 'i2', 'i2']);
    members[0]!.inFlight = 0;
    algorithm.changed!(members[0]!);
    expect(pick()).toBe('i0');
  });
});

describe.each(['ip-hash', 'consistent-hash'] as const)('%s', (name) => {
  const keys = Array.from({ length: 2000 }, (_, i) => `192.0.2.${i % 256}-${i}`);
  const members = instances(...Array<number>(10).fill(1));
  const mapping = (candidates: readonly FakeInstance[], all: readonly FakeInstance[]): string[] => {
    const algorithm = createAlgorithm(name);
    algorithm.update(candidates, all);
    return keys.map((key) => algorithm.pick(0, key)!.id);
  };

  test('a key keeps its instance', () => {
    expect(mapping(members, members)).toEqual(mapping(members, members));
  });

  test('an unhealthy instance loses its keys, no other instance does, and it gets them back', () => {
    const before = mapping(members, members);
    members[3]!.isCandidate = false;
    const during = mapping(
      members.filter((member) => member.isCandidate),
      members,
    );
    members[3]!.isCandidate = true;
    const moved = before.filter((id, i) => id !== during[i]);
    expect(new Set(moved)).toEqual(new Set(['i3']));
    expect(mapping(members, members)).toEqual(before);
  });

  test('one that joins takes about its share and moves no other key', () => {
    const before = mapping(members, members);
    const more = [...members, new FakeInstance('new')];
    const after = mapping(more, more);
    const moved = after.filter((id, i) => id !== before[i]);
    expect(new Set(moved)).toEqual(new Set(['new']));
    expect(moved.length / keys.length).toBeGreaterThan(0.05);
    expect(moved.length / keys.length).toBeLessThan(0.14);
  });
});

describe('consistent-hash', () => {
  test('one popular key does not load its instance beyond 1.25 times its share', () => {
    const algorithm = createAlgorithm('consistent-hash');
    const members = instances(...Array<number>(10).fill(1));
    algorithm.update(members, members);
    for (let i = 0; i < 1000; i++) {
      const picked = algorithm.pick(0, 'the one popular key') as FakeInstance;
      picked.inFlight++;
      algorithm.changed!(picked);
      const bound = Math.ceil((1.25 * (i + 1)) / members.length);
      if (picked.inFlight > bound) throw new Error(`${picked.inFlight} in flight, above ${bound}`);
    }
  });
});

describe('p2c-ewma', () => {
  test('prefers the cheaper of two: a slow one gets little', () => {
    const algorithm = createAlgorithm('p2c-ewma', seededRandom(3));
    const members = instances(1, 1, 1, 1);
    members[2]!.latency = 100;
    algorithm.update(members, members);
    const picked = Array.from({ length: 3000 }, () => algorithm.pick(0));
    expect(shares(members, picked)[2]).toBe(0); // in every pair the other is cheaper
  });

  test('heavier ones are drawn more often', () => {
    const algorithm = createAlgorithm('p2c-ewma', seededRandom(5));
    const members = instances(3, 1, 1, 1);
    algorithm.update(members, members);
    const [heavy, ...light] = shares(
      members,
      Array.from({ length: 6000 }, () => algorithm.pick(0)),
    );
    expect(heavy! / 6000).toBeGreaterThan(0.5);
    for (const one of light) expect(one / 6000).toBeLessThan(0.17);
  });
});
