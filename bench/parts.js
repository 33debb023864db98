// The parts of the benchmark, in the order of the report.

/** `name` is what the command line calls a part; `modules` run in this order, each in a process of its own. */
export const parts = [
  {
    name: 'rate-limiting',
    title: 'Rate limiting',
    modules: ['rate-limiting/http.js', 'rate-limiting/decisions.js', 'rate-limiting/redis.js'],
  },
  {
    name: 'tracing',
    title: 'Tracing',
    modules: ['tracing/http.js', 'tracing/sqlite.js'],
  },
  {
    name: 'routing',
    title: 'Proxying and balancing',
    modules: ['routing/http.js', 'routing/picking.js', 'routing/streams.js'],
  },
  {
    name: 'caching',
    title: 'Caching',
    modules: [
      'caching/http.js',
      'caching/in-process.js',
      'caching/memory.js',
      'caching/disk.js',
      'caching/invalidation.js',
      'caching/budget.js',
      'caching/outage.js',
    ],
  },
  {
    name: 'database',
    title: 'Database',
    modules: ['database/pool.js', 'database/batching.js', 'database/queries.js', 'database/outage.js'],
  },
];
