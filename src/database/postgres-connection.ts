/** A session with a PostgreSQL database through `pg`. */
import type { Client } from 'pg';
import type { DatabaseConnection, QueryResult, Row } from './connection.js';

/** The severities after which the server ends the session (PostgreSQL documentation, table 20.2). */
const ENDING: ReadonlySet<unknown> = new Set(['FATAL', 'PANIC']);

function endsSession(error: unknown): boolean {
  return ENDING.has((error as { severity?: unknown } | null)?.severity);
}

/** One PostgreSQL session. */
export class PostgresConnection implements DatabaseConnection {
  readonly dialect = 'postgres';
  /** The `pg` client, for what SQL cannot say: notifications, cursors, COPY. */
  readonly client: Client;
  #isOpen = true;
  #running = 0;

  constructor(client: Client) {
    this.client = client;
    // Without a listener a connection the server ends would end the process.
    client.on('error', () => (this.#isOpen = false));
    client.on('end', () => (this.#isOpen = false));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isDirty(): boolean {
    return this.#running > 0 || this.client.getTransactionStatus() !== 'I';
  }

  async query<R = Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<R>> {
    this.#running++;
    try {
      const { rows, rowCount } = await this.client.query<Row>({ text: sql, values: [...params] });
      return { rows: rows as R[], rowCount: rowCount ?? 0 };
    } catch (error) {
      if (endsSession(error)) this.#isOpen = false; // its socket says so a little later
      throw error;
    } finally {
      this.#running--;
    }
  }

  /** Statements still running are waited for: they stand before the rollback in the session's queue. */
  async reset(): Promise<void> {
    await this.query('ROLLBACK');
  }

  async ping(): Promise<boolean> {
    const { rowCount } = await this.query('SELECT 1');
    return rowCount === 1;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.client.end();
  }
}
