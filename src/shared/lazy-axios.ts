/** axios, loaded by the first part that uses it: a server that never calls another one does not pay for its start. */
import type { AxiosError, AxiosStatic } from 'axios';
import { missingPackage } from './loaded-package.js';

let loaded: AxiosStatic | undefined;

/**
 * Loads axios on the first call.
 *
 * @throws ResilienceError PACKAGE_MISSING if it is not installed
 */
export async function loadAxios(): Promise<AxiosStatic> {
  if (loaded !== undefined) return loaded;
  try {
    return (loaded = (await import('axios')).default); // within `try`, so that bundlers take it as optional
  } catch (error) {
    throw missingPackage('axios', 'serviceClient', error);
  }
}

/** axios, for code that runs only after `loadAxios`. */
export function axiosNow(): AxiosStatic {
  if (loaded === undefined) throw new Error('axios is used before it is loaded');
  return loaded;
}

/** Whether axios raised this error. The mark is its own, so that it need not be loaded to recognize its errors. */
export function isAxiosError(error: unknown): error is AxiosError {
  return typeof error === 'object' && (error as { isAxiosError?: unknown } | null)?.isAxiosError === true;
}

/** Whether this is the rejection of a request that was cancelled. */
export function isAxiosCancel(error: unknown): boolean {
  return (error as { __CANCEL__?: unknown } | null | undefined)?.__CANCEL__ === true;
}
