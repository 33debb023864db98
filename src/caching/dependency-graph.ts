/**
 * The dependencies between names, which may be keys or patterns on both sides. Pure. Cycles are allowed and visited
 * once.
 */
import { compilePattern, overlap, type KeyPattern } from './key-pattern.js';

/** The names that are invalidated together with a name. */
export interface DependencyAnalysis {
  readonly directlyDependents: readonly string[];
  /** All dependents, including the direct ones, without the name itself. */
  readonly transitiveDependents: readonly string[];
  /** The most steps to a dependent by the shortest way; 0 without dependents. */
  readonly depth: number;
  /** Each cycle as the names on the way from a name back to itself; at most 100. */
  readonly cycles: ReadonlyArray<readonly string[]>;
}

/** More edges than a program defines. An unbounded source of names would fill the memory. */
const MAX_EDGES = 100_000;
const MAX_CYCLES = 100;

interface Rule {
  readonly on: KeyPattern;
  readonly dependents: Map<string, KeyPattern>;
}

export class DependencyGraph {
  /** Rules by the name they depend on. Exact names are found directly, and patterns are tried one after the other. */
  readonly #exact = new Map<string, Rule>();
  readonly #patterns = new Map<string, Rule>();
  #edges = 0;

  /** @throws RangeError beyond 100 000 dependencies */
  add(dependent: string, dependsOn: string): void {
    const on = compilePattern(dependsOn);
    const rules = on.isExact ? this.#exact : this.#patterns;
    const rule = rules.get(dependsOn) ?? { on, dependents: new Map<string, KeyPattern>() };
    if (rule.dependents.has(dependent)) return;
    if (this.#edges === MAX_EDGES) {
      throw new RangeError(`registerDependency: expected at most ${MAX_EDGES} dependencies; use a pattern or tags`);
    }
    rule.dependents.set(dependent, compilePattern(dependent));
    rules.set(dependsOn, rule);
    this.#edges++;
  }

  remove(dependent: string, dependsOn: string): boolean {
    for (const rules of [this.#exact, this.#patterns]) {
      const rule = rules.get(dependsOn);
      if (rule?.dependents.delete(dependent) !== true) continue;
      if (rule.dependents.size === 0) rules.delete(dependsOn);
      this.#edges--;
      return true;
    }
    return false;
  }

  /** The direct dependents of a key, or of any key that a pattern may match. */
  dependentsOf(name: KeyPattern): KeyPattern[] {
    const found = new Map<string, KeyPattern>();
    const collect = (rule: Rule | undefined): void => rule?.dependents.forEach((one) => found.set(one.source, one));
    if (name.isExact) collect(this.#exact.get(name.source));
    else for (const rule of this.#exact.values()) if (name.matches(rule.on.source)) collect(rule);
    for (const rule of this.#patterns.values()) if (overlap(rule.on, name)) collect(rule);
    return [...found.values()];
  }

  /** The name, then everything that depends on it, nearest first, each once. */
  closure(name: KeyPattern): KeyPattern[] {
    if (this.#edges === 0) return [name];
    const reached = new Map([[name.source, name]]);
    for (const one of reached.values()) {
      // A Map is iterated in the order of insertion, including members inserted during the iteration.
      for (const next of this.dependentsOf(one)) if (!reached.has(next.source)) reached.set(next.source, next);
    }
    return [...reached.values()];
  }

  analyze(key: string): DependencyAnalysis {
    const root = compilePattern(key);
    const { cycles, depths } = this.#walk(root);
    return {
      directlyDependents: this.dependentsOf(root).map((one) => one.source),
      transitiveDependents: [...depths.keys()].filter((name) => name !== key),
      depth: Math.max(...depths.values()),
      cycles,
    };
  }

  #walk(root: KeyPattern): { depths: Map<string, number>; cycles: string[][] } {
    const depths = new Map([[root.source, 0]]);
    const names = new Map([[root.source, root]]);
    for (const [name, depth] of depths) {
      for (const next of this.dependentsOf(names.get(name)!)) {
        if (depths.has(next.source)) continue;
        depths.set(next.source, depth + 1);
        names.set(next.source, next);
      }
    }
    return { depths, cycles: this.#findCycles(root) };
  }

  /** Depth first with an explicit stack, because chains may be longer than the call stack. */
  #findCycles(root: KeyPattern): string[][] {
    const cycles: string[][] = [];
    const done = new Set<string>();
    const path: { name: string; rest: KeyPattern[] }[] = [{ name: root.source, rest: this.dependentsOf(root) }];
    const onPath = new Set([root.source]);
    for (let top = path.at(-1); top !== undefined && cycles.length < MAX_CYCLES; top = path.at(-1)) {
      const next = top.rest.pop();
      if (next === undefined) {
        path.pop();
        onPath.delete(top.name);
        done.add(top.name);
      } else if (onPath.has(next.source)) {
        const from = path.findIndex((step) => step.name === next.source);
        cycles.push([...path.slice(from).map((step) => step.name), next.source]);
      } else if (!done.has(next.source)) {
        path.push({ name: next.source, rest: this.dependentsOf(next) });
        onPath.add(next.source);
      }
    }
    return cycles;
  }
}
