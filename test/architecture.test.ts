/** The rules of docs/architecture.md that a reviewer would otherwise have to check by eye. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

const root = resolve(__dirname, '..');

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** Every import, re-export and dynamic import, local ones as paths from the root. */
function imports(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g);
  return [...found].map(([, specifier = '']) => ({
    from: file,
    to: specifier.startsWith('.')
      ? relative(root, resolve(root, dirname(file), specifier)).replace(/\.js$/, '.ts')
      : specifier,
  }));
}

const folderOf = (path: string): string => path.split(sep)[1] ?? '';
const inSource = (path: string): boolean => path.startsWith(`src${sep}`);
const describeImport = ({ from, to }: Import): string => `${from} imports ${to}`;

const ENGINES = ['rate-limiting', 'tracing', 'caching', 'health', 'routing', 'scaling', 'database', 'service-client'];
const OPTIONAL = ['ioredis', 'pg', 'cls-hooked', '@opentelemetry/api'];
const OPTIONAL_ENTRIES = ['redis', 'postgres', 'cls-hooked', 'kubernetes', 'opentelemetry'];

describe('imports point one way', () => {
  const all = sources('src').flatMap(imports);

  test('shared imports nothing of the other folders', () => {
    const wrong = all.filter(
      ({ from, to }) => folderOf(from) === 'shared' && inSource(to) && folderOf(to) !== 'shared',
    );
    expect(wrong.map(describeImport)).toEqual([]);
  });

  test('an engine imports itself and shared, never a middleware or another engine', () => {
    const wrong = all.filter(({ from, to }) => {
      const engine = folderOf(from);
      return ENGINES.includes(engine) && inSource(to) && ![engine, 'shared'].includes(folderOf(to));
    });
    expect(wrong.map(describeImport)).toEqual([]);
  });

  test('nothing in src imports Express', () => {
    expect(all.filter(({ to }) => /^express(\/|$)/.test(to)).map(describeImport)).toEqual([]);
  });

  test('the main entry reaches no optional package', () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      const staticImports = existsSync(join(root, file)) ? imports(file) : [];
      for (const { to } of staticImports) if (inSource(to)) visit(to);
      for (const { to } of staticImports) if (!inSource(to)) reached.add(to);
    };
    visit(join('src', 'index.ts'));
    expect(OPTIONAL.filter((name) => reached.has(name))).toEqual([]);
    expect(OPTIONAL_ENTRIES.filter((name) => reached.has(join('src', `${name}.ts`)))).toEqual([]);
  });

  test('servers and their support reach the kit through its entry points only', () => {
    const entries = ['index', ...OPTIONAL_ENTRIES].map((name) => join('src', `${name}.ts`));
    const wrong = sources('servers')
      .flatMap(imports)
      .filter(({ to }) => inSource(to) && !entries.includes(to));
    expect(wrong.map(describeImport)).toEqual([]);
  });
});

test('every entry of the exports map has its source, and every optional entry is in the map', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { import: string; require: string }>;
  };
  const built = Object.values(manifest.exports).filter((target) => typeof target !== 'string');
  for (const target of built) {
    const source = target.import.replace('./dist/esm/', 'src/').replace(/\.js$/, '.ts');
    expect(existsSync(join(root, source)) ? source : `${source} is missing`).toBe(source);
    expect(target.require).toBe(target.import.replace('/esm/', '/cjs/'));
  }
  const present = OPTIONAL_ENTRIES.filter((name) => existsSync(join(root, 'src', `${name}.ts`)));
  expect(Object.keys(manifest.exports)).toEqual(expect.arrayContaining(present.map((name) => `./${name}`)));
});
