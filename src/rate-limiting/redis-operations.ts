/** The operations of one call of RedisStore's script, the names of its keys, and its reply. */
import type { OperationName, Outcome, Part } from './server-store.js';

/** The part of a key that keeps keys in one slot of a cluster. */
export const HASH_TAG = /\{[^}]+\}/;

export function clusterPrefix(prefix: string, spread: boolean): string {
  if (spread || HASH_TAG.test(prefix)) return prefix;
  return `{${prefix.replace(/[{}]/g, '')}}`;
}

export interface Operation {
  readonly name: OperationName;
  readonly parts: readonly Part[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export function differOnlyInKeys(a: Operation, b: Operation): boolean {
  if (a.name !== b.name || a.parts.length !== b.parts.length) return false;
  return a.parts.every(({ quota, units }, i) => quota === b.parts[i]!.quota && units === b.parts[i]!.units);
}

export function distribute(batch: readonly Operation[], reply: readonly number[]): void {
  const now = reply[0]!;
  let at = 1;
  for (const { parts, resolve } of batch) {
    const debts: number[] = [];
    const previous: number[] = [];
    const windows: number[] = [];
    let pays = true;
    for (const { quota } of parts) {
      const debt = reply[at++]!;
      if (debt < 0) pays = false;
      debts.push(debt < 0 ? -1 - debt : debt); // a debt that cannot be paid comes as −1 − debt
      const hasWindow = quota.window !== 0;
      previous.push(hasWindow ? reply[at++]! : 0);
      windows.push(hasWindow ? reply[at++]! : 0);
    }
    resolve({ pays, debts, previous, windows, now });
  }
}
