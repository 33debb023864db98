/** `/api/v1/system/queries` of every server: what its statements cost, by their shapes, never with a value. */
import type { ConnectionPool, QueryOptimizer } from '../../src/index.js';
import { RouteTable } from './route-table.js';

export interface QueryParts {
  readonly name: string;
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
  readonly controlToken: string | undefined;
}

export function queryRoutes({ name, pool, optimizer, controlToken }: QueryParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken).get(
    '/queries',
    { summary: 'What the statements to the database cost, by shape' },
    () => ({
      service: name,
      dialect: pool.dialect,
      ...optimizer.getStats(),
      slow: optimizer.getSlowQueries(),
      repeated: optimizer.getRepeatedQueries(),
    }),
  );
}
