// What tracing costs a route that reads twenty rows of SQLite through the pool.
import { compareTracers } from './compare.js';

await compareTracers({
  title: 'Tracing under Express, a route that reads SQLite',
  path: '/shelves/7',
  targets: { 'ours, 10 %': 0.99 },
});
