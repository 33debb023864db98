/**
 * Values from user code: thrown, rejected, returned, or passed as an attribute. Any of them may be a proxy that throws,
 * an object without a prototype, or a thenable that does its work when `then` is called. Nothing here throws, and
 * nothing here runs a thenable: only its owner does, once.
 */
import { types } from 'node:util';

/** The default number of UTF-16 code units that a description keeps. */
const MAX_TEXT = 1024;

/** The description of a value that cannot be described. */
const INDESCRIBABLE = '[value that cannot be converted to text]';

/** Reads a property; undefined where reading throws. */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  if (value === null || value === undefined) return undefined;
  try {
    return (value as Record<PropertyKey, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** Whether the value is an Error, of this realm or another. False for a proxy that throws. */
export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false;
  }
}

/** Shortens a text to `max` code units, the last of which is then an ellipsis. Never splits a surrogate pair. */
export function shorten(text: string, max: number = MAX_TEXT): string {
  if (text.length <= max) return text;
  const end = max - 1;
  const last = text.charCodeAt(end - 1);
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end)}…`;
}

/**
 * Any value as text: the message of an error, else the result of `String`, at most `max` code units. An object that
 * `String` cannot convert is named by its kind. Its contents are never listed, because they may be secret.
 */
export function describeValue(value: unknown, max: number = MAX_TEXT): string {
  if (typeof value === 'string') return shorten(value, max);
  if (isError(value)) {
    const message = propertyOf(value, 'message');
    if (typeof message === 'string') return shorten(message, max);
  }
  try {
    return shorten(String(value), max);
  } catch {
    return shorten(kindOf(value), max);
  }
}

function kindOf(value: unknown): string {
  try {
    const message = propertyOf(value, 'message');
    return typeof message === 'string' ? message : Object.prototype.toString.call(value);
  } catch {
    return INDESCRIBABLE; // a revoked proxy, or a tag that throws
  }
}

/** The name of an error's class; undefined if the value is not an error or its name is not a text. */
export function errorName(value: unknown): string | undefined {
  if (!isError(value)) return undefined;
  const name = propertyOf(value, 'name');
  return typeof name === 'string' && name !== '' ? shorten(name, 256) : undefined;
}

type Then = (this: unknown, onFulfilled?: unknown, onRejected?: unknown, ...rest: unknown[]) => unknown;

/** Called when a promise or thenable settles: without an argument, or with the reason of the rejection. */
export type SettledListener = (...rejection: [] | [reason: unknown]) => void;

// eslint-disable-next-line @typescript-eslint/unbound-method -- always called with `call`
const promiseThen = Promise.prototype.then as Then;

/** How a value is watched. */
export interface WatchOptions {
  /** Runs the owner's call of a lazy `then`. By default it is called in the owner's context. */
  readonly around?: <R>(call: () => R) => R;
  /**
   * No other code has seen the promise yet, because an async function has just returned it: its rejection then stays
   * unhandled until the owner uses it. Otherwise the rejection counts as handled, since this cannot be determined.
   * Default false.
   */
  readonly isFresh?: boolean;
}

const callDirectly = <R>(call: () => R): R => call();

/**
 * Watches a promise or thenable that belongs to other code. Its owner continues to use the value itself: a promise
 * keeps its identity, and a lazy thenable (a query builder) is not started. When its owner calls `then`, that one call
 * is watched.
 *
 * @returns false if the value is not a thenable, or one that cannot be watched: then `listener` is never called
 */
export function watchSettled(value: unknown, listener: SettledListener, options: WatchOptions = {}): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const then = thenOf(value);
  if (then === undefined) return false;
  const { around = callDirectly, isFresh = false } = options;
  return types.isPromise(value) && then === promiseThen
    ? watchPromise(value, listener, isFresh)
    : watchThenable(value, then, listener, around);
}

/** The method `then`, found without running a getter. */
function thenOf(value: object): Then | undefined {
  try {
    for (let holder: object | null = value; holder !== null; holder = Reflect.getPrototypeOf(holder)) {
      const found = Reflect.getOwnPropertyDescriptor(holder, 'then');
      if (found !== undefined) return typeof found.value === 'function' ? (found.value as Then) : undefined;
    }
  } catch {
    // A proxy that refuses to be looked at.
  }
  return undefined;
}

const noop = (): void => undefined;

/** The internal branch of each promise that its owner has not used yet. */
const branches = new WeakMap<object, Promise<unknown>>();

/**
 * The watching branch would count as a handler of a rejection that is otherwise unhandled, and hide it. So the branch
 * is rejected as well. It counts as handled from the moment the owner uses the promise: `await`, `then`, `catch`,
 * `finally`, `Promise.all` and `return` all read its `constructor` first (ECMA-262, PromiseResolve and
 * SpeciesConstructor).
 */
function ownerUsesPromise(this: object): unknown {
  const branch = branches.get(this);
  branches.delete(this);
  Reflect.deleteProperty(this, 'constructor');
  if (branch !== undefined) void promiseThen.call(branch, undefined, noop);
  return propertyOf(this, 'constructor');
}

const USE_DETECTOR: PropertyDescriptor = { get: ownerUsesPromise, configurable: true, enumerable: false };
/** Used while the branch is created, because a subclass must not construct it. */
const PLAIN_CONSTRUCTOR: PropertyDescriptor = { value: Promise, configurable: true, enumerable: false };

function watchPromise(promise: Promise<unknown>, listener: SettledListener, isFresh: boolean): boolean {
  // Watched already, as where spans are nested: the owner's one use counts for every branch.
  const earlier = branches.get(promise);
  if (earlier !== undefined) Reflect.deleteProperty(promise, 'constructor');
  const isPlain =
    !Object.hasOwn(promise, 'constructor') && Reflect.defineProperty(promise, 'constructor', PLAIN_CONSTRUCTOR);
  const branch = promiseThen.call(
    promise,
    () => listener(),
    (reason: unknown) => {
      listener(reason);
      throw reason;
    },
  ) as Promise<unknown>;
  const isUnseen = isPlain && (earlier !== undefined || isFresh);
  if (isUnseen) {
    branches.set(promise, earlier === undefined ? branch : Promise.all([earlier, branch]));
    Reflect.defineProperty(promise, 'constructor', USE_DETECTOR);
  } else {
    if (isPlain) Reflect.deleteProperty(promise, 'constructor');
    void promiseThen.call(branch, undefined, noop);
  }
  return true;
}

/** Returns the thenable's own `then` to it when its owner calls `then`, and this call runs it. */
function watchThenable(
  value: object,
  original: Then,
  listener: SettledListener,
  around: <R>(call: () => R) => R,
): boolean {
  try {
    const before = Reflect.getOwnPropertyDescriptor(value, 'then');
    const watched: Then = function then(this: unknown, onFulfilled, onRejected, ...rest) {
      if (before === undefined) Reflect.deleteProperty(value, 'then');
      else Reflect.defineProperty(value, 'then', before);
      return around(() =>
        Reflect.apply(original, this, [
          (result: unknown) => {
            listener();
            return typeof onFulfilled === 'function' ? (onFulfilled as (result: unknown) => unknown)(result) : result;
          },
          (reason: unknown) => {
            listener(reason);
            if (typeof onRejected === 'function') return (onRejected as (reason: unknown) => unknown)(reason);
            throw reason;
          },
          ...rest,
        ]),
      );
    };
    return Reflect.defineProperty(value, 'then', {
      value: watched,
      writable: before?.writable ?? true,
      enumerable: before?.enumerable ?? false,
      configurable: true,
    });
  } catch {
    return false;
  }
}

/**
 * Takes over the return value of a user's callback, which no other code will use. A thenable is awaited, once, and its
 * rejection is passed to `onRejected`. Everything else is ignored.
 */
export function ownResult(value: unknown, onRejected: (reason: unknown) => void): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
  if (!types.isPromise(value) && typeof propertyOf(value, 'then') !== 'function') return;
  void Promise.resolve(value).then(undefined, onRejected);
}
