// What tracing costs a route that does nothing.
import { compareTracers } from './compare.js';

await compareTracers({
  title: 'Tracing under Express, a trivial route',
  path: '/',
  targets: { 'ours, 10 %': 0.98, 'ours, 100 %': 0.96 },
});
