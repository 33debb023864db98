/**
 * Recognizes the errors of axios by its mark. An import of axios itself would load it, and with it Node's own `fetch`, in
 * each of the nine processes at their start: 60 ms and 9 MB.
 */
import type { AxiosError } from 'axios';

/** Whether axios raised this error. */
export function isAxiosError<T = unknown>(error: unknown): error is AxiosError<T> {
  return typeof error === 'object' && (error as { isAxiosError?: unknown } | null)?.isAxiosError === true;
}
