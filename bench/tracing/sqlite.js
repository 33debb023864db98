// Measures the cost of tracing on a route that reads twenty rows from SQLite through the pool.
import { compareTracers } from './compare.js';

await compareTracers({
  title: 'Tracing under Express, a route that reads SQLite',
  path: '/shelves/7',
  targets: { 'trace, 10 %': 0.99 },
});
