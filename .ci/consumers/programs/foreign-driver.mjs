// A tree that another Node installed: what the user is told. Nothing but top-level awaits, as in a script of theirs.
import { ConnectionPool, sqliteConnections } from '@tooloo/resilience';

const pool = new ConnectionPool({ factory: sqliteConnections(':memory:') });
const outcome = await pool.use((connection) => connection.query('SELECT 1')).catch((error) => error);
console.log(`${outcome.code}: ${outcome.message}`);
await pool.close();
