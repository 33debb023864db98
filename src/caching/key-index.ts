/**
 * Keys as a tree of their segments (`user:42:profile` → `user:` → `42:` → the key), so that the keys below a prefix are
 * found without a scan of the others.
 */
import { SpreadMap } from './spread-map.js';

/** Most branches hold one key and no branches, so that both collections are made when they are needed. */
interface Branch {
  branches: SpreadMap<Branch> | undefined;
  keys: SpreadMap<true> | undefined;
}

const newBranch = (): Branch => ({ branches: undefined, keys: undefined });

const isEmpty = ({ branches, keys }: Branch): boolean => (keys?.size ?? 0) === 0 && (branches?.size ?? 0) === 0;

/** Deeper segments share a branch, because a key of separators only must not create a deep chain of maps. */
const MAX_DEPTH = 8;

/** The end of the segment that begins at `from`, including its separator; -1 for the last segment. */
function segmentEnd(key: string, from: number): number {
  for (let i = from; i < key.length; i++) {
    const code = key.charCodeAt(i);
    if (code === 58 /* : */ || code === 47 /* / */) return i + 1;
  }
  return -1;
}

export class KeyIndex {
  readonly #root = newBranch();

  add(key: string): void {
    let branch = this.#root;
    let from = 0;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const end = segmentEnd(key, from);
      if (end === -1) break;
      const segment = key.slice(from, end);
      branch.branches ??= new SpreadMap();
      let next = branch.branches.get(segment);
      if (next === undefined) branch.branches.set(segment, (next = newBranch()));
      branch = next;
      from = end;
    }
    (branch.keys ??= new SpreadMap()).set(key, true);
  }

  /** Removes a key and its empty branches. */
  remove(key: string): void {
    const path: { branch: Branch; segment: string }[] = [];
    let branch = this.#root;
    let from = 0;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const end = segmentEnd(key, from);
      if (end === -1) break;
      const segment = key.slice(from, end);
      const next = branch.branches?.get(segment);
      if (next === undefined) return;
      path.push({ branch, segment });
      branch = next;
      from = end;
    }
    branch.keys?.delete(key);
    for (let i = path.length - 1; i >= 0 && isEmpty(branch); i--) {
      branch = path[i]!.branch;
      branch.branches!.delete(path[i]!.segment);
    }
  }

  /**
   * The keys that share the prefix of a pattern up to its last separator, and undefined for each branch that was
   * skipped: no step of the walk is long. Keys may be added and removed during the walk.
   */
  *candidates(prefix: string): Generator<string | undefined, void> {
    let branch = this.#root;
    let from = 0;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const end = segmentEnd(prefix, from);
      if (end === -1) break;
      const next = branch.branches?.get(prefix.slice(from, end));
      if (next === undefined) return;
      branch = next;
      from = end;
    }
    yield* keysBelow(branch, prefix.slice(from));
  }
}

/** @param start of the segments below the branch that are walked */
function* keysBelow({ keys, branches }: Branch, start = ''): Generator<string | undefined, void> {
  if (keys !== undefined) for (const [key] of keys.entries()) yield key;
  if (branches === undefined) return;
  for (const [segment, below] of branches.entries()) {
    if (segment.startsWith(start)) yield* keysBelow(below);
    else yield undefined;
  }
}
