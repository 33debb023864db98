import express from 'express';
import { buildSchema, graphql, parse, visit } from 'graphql';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const schema = buildSchema('type Query { hello: String, book(id: ID!): Book }  type Book { id: ID, title: String }');
const rootValue = { hello: () => 'world', book: ({ id }) => ({ id, title: `Book ${id}` }) };

const queryOf = (req) => req.query.query ?? req.body?.query ?? '';

/** The number of fields, so that a large query takes more of the limit than a small one. */
function costOf(req) {
  let fields = 0;
  try {
    visit(parse(queryOf(req)), { Field: () => void fields++ });
  } catch {
    return 1; // a syntax error, which GraphQL reports
  }
  return Math.max(1, fields);
}

const health = healthEndpoints();
const app = express();
app.use(trace({ serviceName: 'books' }), health, express.json());
app.use('/graphql', rateLimit({ rateLimit: 100, refillRate: 10, cost: costOf }), cacheResponse());
app.all('/graphql', async (req, res) => {
  const result = await graphql({ schema, rootValue, source: queryOf(req) });
  // Queries by GET can be cached; mutations come by POST, which is never cached.
  if (req.method === 'GET' && result.errors === undefined) res.set('Cache-Control', 'public, max-age=30');
  res.status(result.errors === undefined ? 200 : 400).json(result);
});

const server = app.listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
