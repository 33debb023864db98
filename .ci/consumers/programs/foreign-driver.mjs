// A tree that another Node installed: the pool works through Node's own SQLite. Nothing but top-level awaits, as in a script.
import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';

const pool = new ConnectionPool({ factory: sqliteConnections(':memory:') });
const { rows } = await pool.use((connection) => connection.query('SELECT 1 AS one'));
console.log(rows[0]?.one === 1 ? 'works' : `got ${JSON.stringify(rows)}`);
await pool.close();
