// What it costs to invalidate a tag, and a prefix of ten keys, as the cache grows from a thousand keys to a million.
import { DiskCacheLayer, MemoryCacheLayer } from '@tooloo/resilience';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine } from '../harness.js';
import { judge, publish, spread } from '../report.js';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const HOUR = 3_600_000;
/** Keys below one prefix, all of which carry one tag. */
const GROUP = 10;
const rounds = Number(process.env.ROUNDS ?? 25);
const folder = mkdtempSync(join(tmpdir(), 'bench-invalidation-'));

function fill(layer, size) {
  const write = () => {
    for (let i = 0; i < size; i++) {
      const group = Math.floor(i / GROUP);
      layer.write(`user:${group}:${i}`, { value: i, ttl: HOUR, grace: 0, tags: [`tag:${group}`] });
    }
  };
  if (layer.transaction === undefined) write();
  else layer.transaction(write);
  return layer;
}

const layers = {
  memory: (size) => fill(new MemoryCacheLayer({ maxSize: size, defaultTTL: HOUR }), size),
  disk: (size) => fill(new DiskCacheLayer({ dbPath: join(folder, `${size}.sqlite`), maxDbSize: 2 ** 31 }), size),
};

const operations = {
  'a tag': (layer, group) => layer.invalidateTag(`tag:${group}`),
  'a prefix of ten keys': (layer, group) => layer.invalidatePattern(`user:${group}:*`),
};

/** How often a second the operation runs, each time for another group; the first one is not counted: it builds what is kept. */
function rates(layer, size, operation) {
  const found = [];
  for (let round = 0; round <= rounds; round++) {
    const group = Math.floor((round * size) / GROUP / (rounds + 1));
    const began = performance.now();
    operation(layer, group);
    if (round > 0) found.push(1000 / (performance.now() - began));
  }
  return found;
}

try {
  for (const [name, open] of Object.entries(layers)) {
    const samples = Object.fromEntries(Object.keys(operations).map((what) => [what, {}]));
    for (const size of SIZES) {
      const layer = open(size);
      for (const [what, operation] of Object.entries(operations)) samples[what][size] = rates(layer, size, operation);
      layer.destroy();
    }
    const microseconds = (list) => (1e6 / spread(list).median).toFixed(1);
    const [least, , , most] = SIZES;
    publish({
      title: `Invalidation, ${name}`,
      settings: `µs each, the median of ${rounds}; ${machine()}`,
      columns: ['invalidated', ...SIZES.map((size) => `of ${size.toLocaleString('en')} keys`)],
      rows: Object.entries(samples).map(([what, bySize]) => ({
        name: what,
        cells: [what, ...SIZES.map((size) => microseconds(bySize[size]))],
      })),
      targets: [
        judge(
          { name: most, of: least, least: 0.5, what: `${name}: a tag of a million keys, as often as of a thousand` },
          samples['a tag'],
        ),
      ],
    });
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exit();
