/** `/api/v1/system/queries` of each server: the cost of its statements, by their shape and without values. */
import * as z from 'zod';
import { ResilienceError, type ConnectionPool, type QueryOptimizer } from '../../src/index.js';
import { isControlStatement } from '../dashboard/model/query-rows.js';
import { RouteTable } from './route-table.js';
import { StatementAdvice } from './statement-advice.js';

export interface QueryParts {
  readonly name: string;
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
  readonly controlToken: string | undefined;
}

/** Number of statements that are analysed without being asked for. */
const MOST_ADVISED = 30;

const adviceQuery = z.object({ statement: z.string().min(1).max(8000) });

export function queryRoutes({ name, pool, optimizer, controlToken }: QueryParts): RouteTable {
  const advice = new StatementAdvice(optimizer);
  return new RouteTable('/api/v1/system', controlToken)
    .get('/queries', { summary: 'The cost of the database statements, by shape, and advice on the costliest' }, () => {
      const stats = optimizer.getStats();
      return {
        service: name,
        dialect: pool.dialect,
        ...stats,
        slow: optimizer.getSlowQueries(),
        repeated: optimizer.getRepeatedQueries(),
        advice: advice.about(costliest(stats.statements)),
      };
    })
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

function costliest(statements: ReturnType<QueryOptimizer['getStats']>['statements']): string[] {
  return statements
    .filter(({ fingerprint }) => !isControlStatement(fingerprint))
    .sort((a, b) => b.totalTime - a.totalTime)
    .slice(0, MOST_ADVISED)
    .map(({ fingerprint }) => fingerprint);
}
