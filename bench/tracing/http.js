// Measures the cost of tracing on a route that does nothing.
import { compareTracers } from './compare.js';

await compareTracers({
  title: 'Tracing under Express, a trivial route',
  path: '/',
  targets: { 'trace, 10 %': 0.98, 'trace, 100 %': 0.96 },
});
