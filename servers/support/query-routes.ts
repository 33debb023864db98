/** `/api/v1/system/queries` of each server: the cost of its statements, by their shape and without values. */
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
    .get('/queries', { summary: 'The cost of the database statements, by shape' }, () => ({
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
        // Accepts only statements that the service itself has sent, so that callers cannot explain their own.
        if (!optimizer.getStats().statements.some(({ fingerprint }) => fingerprint === statement))
          throw new ResilienceError('NOT_FOUND', `${name} has not sent this statement of late`);
        return { service: name, advice: await optimizer.optimizeQuery(statement) };
      },
    );
}
