/**
 * Key patterns: `*` stands for any number of characters, and every other character for itself. Matching takes linear
 * time and uses no regular expression.
 */

/** A compiled pattern. */
export interface KeyPattern {
  readonly source: string;
  /** The prefix of every matching key. */
  readonly prefix: string;
  /** Whether the pattern contains no `*` and so names one key. */
  readonly isExact: boolean;
  readonly matches: (key: string) => boolean;
}

export function compilePattern(source: string): KeyPattern {
  const parts = source.split('*');
  const [prefix = ''] = parts;
  if (parts.length === 1) return exactKey(source);
  const suffix = parts[parts.length - 1]!;
  const middle = parts.slice(1, -1).filter((part) => part !== '');
  return {
    source,
    prefix,
    isExact: false,
    matches: (key) => {
      if (!key.startsWith(prefix) || key.length < prefix.length + suffix.length || !key.endsWith(suffix)) return false;
      // The leftmost match of each part leaves the most room for the next one, so no backtracking is needed.
      let from = prefix.length;
      for (const part of middle) {
        const at = key.indexOf(part, from);
        if (at === -1) return false;
        from = at + part.length;
      }
      return from <= key.length - suffix.length;
    },
  };
}

/** The pattern of one key, in which `*` is not a wildcard. */
export function exactKey(key: string): KeyPattern {
  return { source: key, prefix: key, isExact: true, matches: (other) => other === key };
}

/** Whether some key matches both names, each of which is a key or a pattern. */
export function overlap(a: KeyPattern, b: KeyPattern): boolean {
  if (a.isExact) return b.matches(a.source);
  if (b.isExact) return a.matches(b.source);
  return globsOverlap(a.source, b.source);
}

/**
 * Walks both patterns at once. `reachable[j]`: the part before position i of `a` can equal the part before j of `b`.
 */
function globsOverlap(a: string, b: string): boolean {
  let reachable = new Array<boolean>(b.length + 1).fill(false);
  reachable[0] = true;
  skipStars(reachable, b);
  for (const character of a) {
    const next = new Array<boolean>(b.length + 1).fill(false);
    for (let j = 0; j <= b.length; j++) {
      if (!reachable[j]) continue;
      if (character === '*') for (let k = j; k <= b.length; k++) next[k] = true;
      else if (b[j] === '*') next[j] = true;
      else if (b[j] === character) next[j + 1] = true;
    }
    skipStars(next, b);
    reachable = next;
  }
  return reachable[b.length]!;
}

/** A star may stand for zero characters. */
function skipStars(reachable: boolean[], b: string): void {
  for (let j = 0; j < b.length; j++) if (reachable[j] && b[j] === '*') reachable[j + 1] = true;
}

/**
 * The first text, in the order of code points, that sorts after every text with the prefix; undefined if none exists.
 * SQLite compares text in that order.
 */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1; // the code points in between are not characters
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
