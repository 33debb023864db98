/** `/api/v1/system/queries` of every server: what its statements cost, by their shapes, never with a value. */
import { z } from 'zod';
import { ResilienceError, type ConnectionPool, type QueryOptimizer } from '../../src/index.js';
import { RouteTable } from './route-table.js';

export interface QueryParts {
  readonly name: string;
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
  readonly controlToken: string | undefined;
}

const adviceQuery = z.object({ statement: z.string().min(1).max(8000) });

export function queryRoutes({ name, pool, optimizer, controlToken }: QueryParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken)
    .get('/queries', { summary: 'What the statements to the database cost, by shape' }, () => ({
      service: name,
      dialect: pool.dialect,
      ...optimizer.getStats(),
      slow: optimizer.getSlowQueries(),
      repeated: optimizer.getRepeatedQueries(),
    }))
    .get(
      '/queries/advice',
      { summary: 'The plan of a statement that was sent, and what could be better', query: adviceQuery, control: true },
      async ({ query: { statement } }) => {
        // Only what the service itself sends: nobody has the database look at statements of his own.
        if (!optimizer.getStats().statements.some(({ fingerprint }) => fingerprint === statement))
          throw new ResilienceError('NOT_FOUND', `${name} has not sent this statement of late`);
        return { service: name, advice: await optimizer.optimizeQuery(statement) };
      },
    );
}
