/**
 * Which loads and claims the current call is part of. A call inside a load must wait neither for the lease nor for the
 * value of that load, because the load waits for the call.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** A load, a claim or a batch of loads in progress. Plain data, because two builds of this package may share it. */
export interface LoadScope {
  /** What it was called from; several for a batch. */
  outer: readonly LoadScope[];
  /** The tokens of its leases. */
  readonly tokens: Set<string>;
  /** The loads and batches whose results it waits for. */
  readonly awaited: Set<LoadScope>;
  /** The token of the lease whose end it waits for. */
  wanted: string | undefined;
  /** How many loads around it are loads inside a load of the same key. */
  readonly repeats: number;
  hasEnded: boolean;
}

interface Scopes {
  readonly current: AsyncLocalStorage<LoadScope>;
  /** By token of a lease. */
  readonly holders: Map<string, LoadScope>;
  /** How many scopes have not ended. */
  live: number;
}

const SCOPES = Symbol.for('@tooloo/resilience:load-scopes');
const shared = globalThis as { [SCOPES]?: Scopes };
const scopes = (shared[SCOPES] ??= {
  current: new AsyncLocalStorage<LoadScope>(),
  holders: new Map<string, LoadScope>(),
  live: 0,
});
const { current, holders } = scopes;

/** How many scopes have not ended. */
export function liveScopes(): number {
  return scopes.live;
}

/** The innermost scope of the current call that has not ended. */
export function currentScope(): LoadScope | undefined {
  const scope = current.getStore();
  return scope === undefined ? undefined : liveIn(scope)[0];
}

/** @param isRepeated whether it is a load inside a load of the same key */
export function beginScope(isRepeated = false): LoadScope {
  const around = currentScope();
  return newScope(around === undefined ? [] : [around], (around?.repeats ?? 0) + Number(isRepeated));
}

/** One scope for work that several loads wait for. */
export function beginBatch(members: readonly LoadScope[]): LoadScope {
  const batch = newScope(members, Math.max(0, ...members.map(({ repeats }) => repeats)));
  for (const member of members) member.awaited.add(batch);
  return batch;
}

/** Work that goes on in an ended scope belongs to the scopes around it, which must not pile up behind it. */
export function endScope(scope: LoadScope): void {
  if (scope.hasEnded) return;
  scope.hasEnded = true;
  scope.awaited.clear();
  for (const token of scope.tokens) holders.delete(token);
  scope.outer = scope.outer.flatMap(liveIn);
  // While it is enabled, each promise of the process costs 80 ns more (Node 20; nothing on 24). The next load enables it.
  if (--scopes.live === 0) current.disable();
}

export function holdLeases(scope: LoadScope, tokens: readonly string[]): void {
  for (const token of tokens) {
    scope.tokens.add(token);
    holders.set(token, scope);
  }
}

export function runInside<R>(scope: LoadScope, work: () => R): R {
  return current.run(scope, work);
}

/** Notes that the current call waits for a load, until its answer is there. */
export function noteWait(around: LoadScope, load: { scope: LoadScope; answer: Promise<unknown> }): void {
  const { scope } = load;
  around.awaited.add(scope);
  const end = (): void => void around.awaited.delete(scope);
  load.answer.then(end, end);
}

/** Whether the first waits for the second: directly, or through other loads and leases. */
export function isWaiting(first: LoadScope, second: LoadScope): boolean {
  return some(first, waitsOf, (scope) => scope === second);
}

/**
 * Whether a wait for the end of this lease would never end: the current call or the waiting load is part of the work of
 * its holder.
 */
export function isHeldAround(token: string, waiter: LoadScope | undefined): boolean {
  const around = currentScope();
  if (around !== undefined && some(around, outerOf, ({ tokens }) => tokens.has(token))) return true;
  const holder = waiter && holders.get(token);
  return holder !== undefined && isWaiting(holder, waiter!);
}

const outerOf = ({ outer }: LoadScope): Iterable<LoadScope> => outer;

function* waitsOf({ awaited, wanted }: LoadScope): Iterable<LoadScope> {
  yield* awaited;
  const holder = wanted === undefined ? undefined : holders.get(wanted);
  if (holder !== undefined) yield holder;
}

/** Whether one of the scopes that can be reached passes the test, the first included. */
function some(
  first: LoadScope,
  next: (scope: LoadScope) => Iterable<LoadScope>,
  test: (scope: LoadScope) => boolean,
): boolean {
  const seen = new Set([first]);
  for (const scope of seen) {
    if (test(scope)) return true;
    for (const one of next(scope)) seen.add(one); // a Set is walked to its end even while it grows
  }
  return false;
}

/** The scope if it has not ended, otherwise the nearest ones around it that have not. */
function liveIn(scope: LoadScope): readonly LoadScope[] {
  const live: LoadScope[] = [];
  const seen = new Set([scope]);
  for (const one of seen) {
    if (!one.hasEnded) live.push(one);
    else for (const outer of one.outer) seen.add(outer);
  }
  return live;
}

function newScope(outer: readonly LoadScope[], repeats: number): LoadScope {
  scopes.live++;
  return { outer, tokens: new Set(), awaited: new Set(), wanted: undefined, repeats, hasEnded: false };
}
