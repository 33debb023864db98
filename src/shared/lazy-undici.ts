/** undici, loaded by the first proxy, because its load takes longer than that of most entries of this package. */
import type * as Undici from 'undici';
import { exportsOf } from './loaded-package.js';

export type UndiciModule = typeof Undici;

let loaded: UndiciModule | undefined;

/** Loads undici on the first call. */
export async function loadUndici(): Promise<UndiciModule> {
  return (loaded ??= exportsOf(await import('undici')));
}

/** undici, if it is loaded. */
export function undiciNow(): UndiciModule | undefined {
  return loaded;
}
