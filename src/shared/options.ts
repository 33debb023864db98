/**
 * Options are checked once, when a factory or constructor is called. An unknown name, a wrong type or a value out of
 * range fails with a message that names the option, the expected value and the actual value.
 */

/** One option's rule. `type` failing is a TypeError, `range` failing a RangeError. */
export interface Check {
  readonly expected: string;
  readonly type: (value: unknown) => boolean;
  readonly range?: (value: never) => boolean;
}

/** One rule per option: a missing or additional rule is a compile error. */
export type OptionChecks<T> = { readonly [K in keyof Required<T>]: Check };

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isNumber = (value: unknown): boolean => typeof value === 'number' && !Number.isNaN(value);

/** A number between `min` and `max`, both included. Infinity passes only where `max` is Infinity. */
export function number({ min = -Infinity, max = Infinity, integer = false } = {}): Check {
  const kind = integer ? 'an integer' : 'a number';
  const bounds =
    min === -Infinity && max === Infinity ? '' : max === Infinity ? ` of at least ${min}` : ` from ${min} to ${max}`;
  return {
    expected: kind + bounds,
    type: isNumber,
    range: (value: number) =>
      value >= min && value <= max && (!integer || Number.isInteger(value) || value === Infinity),
  };
}

/** A number above zero. */
export const positive: Check = { expected: 'a number above 0', type: isNumber, range: (value: number) => value > 0 };

/** A duration in milliseconds, zero included. */
export const milliseconds: Check = { ...number({ min: 0 }), expected: 'milliseconds, at least 0' };

/** A whole number of at least `min` (default 1). */
export function count(min = 1): Check {
  return number({ min, integer: true });
}

export const boolean: Check = { expected: 'a boolean', type: (value) => typeof value === 'boolean' };

export const string: Check = {
  expected: 'a non-empty string',
  type: (value) => typeof value === 'string',
  range: (value: string) => value.length > 0,
};

export const func: Check = { expected: 'a function', type: (value) => typeof value === 'function' };

export const array: Check = { expected: 'an array', type: Array.isArray };

/** Any object; `what` names its kind. */
export function object(what = 'an object'): Check {
  return { expected: what, type: isObject };
}

/** An object that has these methods: a store, a clock, a client. */
export function having(what: string, ...methods: readonly string[]): Check {
  return {
    expected: `${what} (an object with ${methods.join(', ')})`,
    type: (value) =>
      isObject(value) && methods.every((name) => typeof (value as Record<string, unknown>)[name] === 'function'),
  };
}

/** One of these values. */
export function oneOf(...values: readonly unknown[]): Check {
  return {
    expected: values
      .map((value) => show(value))
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1'),
    type: (value) => values.some((one) => typeof one === typeof value),
    range: (value: unknown) => values.includes(value),
  };
}

/** Accepts every value that any of these rules accepts. */
export function anyOf(...checks: readonly Check[]): Check {
  return {
    expected: checks.map((check) => check.expected).join(', or '),
    type: (value) => checks.some((check) => check.type(value)),
    range: (value: never) => checks.some((check) => check.type(value) && (check.range?.(value) ?? true)),
  };
}

/** Every value of a plain object follows the rule. */
export function recordOf(check: Check): Check {
  return {
    expected: `an object whose values are each ${check.expected}`,
    type: (value) => isObject(value) && !Array.isArray(value) && Object.values(value).every((one) => check.type(one)),
    range: (value: object) => Object.values(value).every((one) => check.range?.(one as never) ?? true),
  };
}

/** Every member of an array follows the rule. */
export function arrayOf(check: Check): Check {
  return {
    expected: `an array whose members are each ${check.expected}`,
    type: (value) => Array.isArray(value) && value.every((one) => check.type(one)),
    range: (value: readonly never[]) => value.every((one) => check.range?.(one) ?? true),
  };
}

/** Anything at all. */
export const anything: Check = { expected: 'anything', type: () => true };

export const clock: Check = having('a clock', 'now');

/**
 * A copy of the options without those left `undefined`, after checking each. The caller's object is never changed.
 *
 * @param who the factory or class, the first word of every message
 * @throws TypeError for an unknown option or a wrong type
 * @throws RangeError for a value out of range
 */
export function checkOptions<T extends object>(who: string, options: T | undefined, checks: OptionChecks<T>): T {
  if (options !== undefined && (!isObject(options) || Array.isArray(options))) {
    throw new TypeError(`${who}: expected an object of options, got ${show(options)}`);
  }
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options ?? {})) {
    if (!Object.hasOwn(checks, name)) throw new TypeError(unknownOption(who, name, Object.keys(checks)));
    if (value === undefined) continue;
    checkValue(`${who}: option '${name}'`, value, checks[name as keyof T]);
    checked[name] = value;
  }
  return checked as T;
}

/** Checks one value; `what` begins the message. */
export function checkValue(what: string, value: unknown, check: Check): void {
  if (!check.type(value)) throw new TypeError(`${what}: expected ${check.expected}, got ${show(value)}`);
  if (check.range?.(value as never) === false) {
    throw new RangeError(`${what}: expected ${check.expected}, got ${show(value)}`);
  }
}

function unknownOption(who: string, name: string, known: readonly string[]): string {
  const lower = name.toLowerCase();
  const near =
    known.find((one) => one.toLowerCase() === lower) ??
    known.find((one) => distanceAtMostTwo(one.toLowerCase(), lower));
  const hint = near === undefined ? `the options are ${[...known].sort().join(', ')}` : `did you mean '${near}'?`;
  return `${who}: unknown option '${name}'; ${hint}`;
}

/** Whether two names differ by at most two edits, which suggests a typing error. */
function distanceAtMostTwo(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 2) return false;
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substituted));
    }
    previous = row;
  }
  return previous[b.length]! <= 2;
}

const SHOWN_CHARACTERS = 60;

/** A value as a message shows it: short, and never the inside of an object, which may hold a secret. */
function show(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value);
  }
  if (typeof value === 'function') return `a function`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isObject(value)) return `an object (${value.constructor?.name ?? 'null prototype'})`;
  return String(value);
}
