/** Facts about objects that only V8's own syntax reports. */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--allow-natives-syntax');

function native<A extends object[]>(call: string, ...names: string[]): (...args: A) => boolean {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- V8's own syntax, which no parser of this project knows
  return new Function(...names, `return ${call}`) as (...args: A) => boolean;
}

/** Whether two objects have the same hidden class. */
export const haveSameMap = native<[object, object]>('%HaveSameMap(a, b)', 'a', 'b');

/** Whether a minor collection can free an object. */
export const isInYoungGeneration = native<[object]>('%InYoungGeneration(a)', 'a');
