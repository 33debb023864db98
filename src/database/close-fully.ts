/** Closing a connection so that its place is free only when its session is gone. */
import type { Clock } from '../shared/clock.js';
import type { DatabaseConnection } from './connection.js';
import { settleWithin } from './settle-within.js';

/**
 * Closes a connection. If the connection reports its end (`ended`), settles when the session has ended, however long
 * the server takes. Otherwise settles when `close` has settled, failed or taken `validationTimeout` milliseconds. Never
 * rejects.
 */
export async function closeFully(
  connection: DatabaseConnection | null | undefined,
  { clock, validationTimeout }: { readonly clock: Clock; readonly validationTimeout: number },
): Promise<void> {
  try {
    await settleWithin(() => connection?.close(), { clock, timeout: validationTimeout });
  } catch {
    // Whether it is gone is asked below; without an answer its place is free again.
  }
  try {
    await connection?.ended;
  } catch {
    // What cannot tell has ended.
  }
}
