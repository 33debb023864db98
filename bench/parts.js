// The parts of the benchmark, in the order of the report.

/**
 * The command line selects a part by its `name` or by one of its `aliases`. `modules` run in this order, each in its
 * own process, with the settings given here. With these settings all parts together take about an hour on two
 * cores. A module that is run by itself uses its own settings, which take longer. A part with `alone` runs only on
 * request.
 */
export const parts = [
  {
    name: 'rate-limiting',
    aliases: ['limit'],
    title: 'Rate limiting',
    modules: {
      'rate-limiting/http.js': { ROUNDS: 3 },
      'rate-limiting/decisions.js': { ROUNDS: 5 },
      'rate-limiting/redis.js': { ROUNDS: 5 },
    },
  },
  {
    name: 'tracing',
    aliases: ['trace'],
    title: 'Tracing',
    modules: {
      'tracing/http.js': { ROUNDS: 4 },
      'tracing/sqlite.js': { ROUNDS: 4 },
      'tracing/nodes.js': { ROUNDS: 5 },
    },
  },
  {
    name: 'routing',
    aliases: ['proxy'],
    title: 'Proxying and balancing',
    modules: {
      'routing/http.js': { ROUNDS: 3, SECONDS: 1 },
      'routing/shares.js': {},
      'routing/streams.js': { BYTES: 2 ** 30 },
    },
  },
  {
    name: 'gateway',
    aliases: [],
    title: 'The whole gateway',
    modules: {
      'gateway/gateway.js': { ROUNDS: 3 },
      'gateway/workloads.js': { ROUNDS: 2 },
      'gateway/latency.js': { ROUNDS: 5, SECONDS: 2 },
      'gateway/instructions.js': { ROUNDS: 7 },
    },
  },
  {
    name: 'caching',
    aliases: ['cache'],
    title: 'Caching',
    modules: {
      'caching/http.js': { ROUNDS: 3, SECONDS: 1 },
      'caching/in-process.js': { ROUNDS: 5 },
      'caching/memory.js': { ROUNDS: 3 },
      'caching/disk.js': { ROUNDS: 5 },
      'caching/invalidation.js': { ROUNDS: 15 },
      'caching/budget.js': { ROUNDS: 7 },
      'caching/outage.js': { SECONDS: 2 },
    },
  },
  {
    name: 'database',
    aliases: ['pool'],
    title: 'Database',
    modules: {
      'database/pool.js': { ROUNDS: 5 },
      'database/batching.js': { ROUNDS: 5 },
      'database/queries.js': { ROUNDS: 5 },
      'database/shapes.js': { ROUNDS: 5 },
      'database/outage.js': {},
    },
  },
  {
    name: 'scale',
    aliases: [],
    title: 'Scale and cost',
    modules: {
      'scale/picking.js': { ROUNDS: 3 },
      'scale/keys.js': { ROUNDS: 2 },
      'scale/bodies.js': { ROUNDS: 2 },
      'scale/connections.js': { ROUNDS: 2 },
      'scale/spans.js': { ROUNDS: 3 },
      'scale/start.js': { ROUNDS: 5 },
      'scale/fleet.js': { ROUNDS: 3 },
    },
  },
  {
    name: 'control-room',
    aliases: [],
    title: 'The control room',
    modules: { 'control-room/history.js': { ROUNDS: 6 } },
    alone: true,
  },
  {
    name: 'adoption',
    aliases: [],
    title: 'Import and installation',
    modules: {
      'adoption/imports.js': { ROUNDS: 7 },
      'adoption/size.js': {},
    },
  },
  {
    name: 'decisions',
    aliases: [],
    title: 'Measurements behind design decisions',
    modules: {
      'decisions/carriers.js': { ROUNDS: 3 },
      'decisions/forwarding.js': { ROUNDS: 2, SECONDS: 1 },
      'decisions/windows.js': { ROUNDS: 2 },
      'decisions/sketches.js': { ROUNDS: 2 },
      'decisions/heavy-hitters.js': { ROUNDS: 2 },
      'decisions/sqlite.js': { ROUNDS: 3 },
      'decisions/route-names.js': { ROUNDS: 3 },
    },
  },
  {
    name: 'soak',
    aliases: [],
    title: 'Soak',
    modules: { 'soak/soak.js': {} },
    alone: true,
  },
];

/** The parts that the words of a command line name; without words all but those that run alone. */
export function partsNamed(words) {
  if (words.length === 0) return parts.filter(({ alone }) => alone !== true);
  return parts.filter(({ name, aliases = [] }) =>
    words.some((word) => [name, ...aliases].some((one) => one.startsWith(word))),
  );
}
