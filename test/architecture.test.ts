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

/** Every import, re-export and dynamic import, local ones as paths from the root. Examples in docstrings do not count. */
function imports(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/^ *\*.*$/gm, '');
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

  // Both would be loaded whole by each of the nine processes at their start.
  test.each([
    ['only the types of axios', /^import (?!type\b).* from 'axios'/m],
    ['zod member by member, not its namespace object', /^import \{.*\bz\b.*\} from 'zod'/m],
  ])('servers import %s', (_what, loadsAll) => {
    expect(sources('servers').filter((file) => loadsAll.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
  });
});

/** The files that a file loads at run time: its imports and re-exports, except those that import only types. */
function loads(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const clauses = text.matchAll(/^(?:import|export)\s+(?!type\b)([^;']*?)\bfrom\s+'(\.[^']+)'/gm);
  return [...clauses]
    .filter(([, clause = '']) => !/^\{\s*(?:type\s[^,}]+,?\s*)+\}\s*$/.test(clause))
    .map(([, , specifier = '']) => relative(root, resolve(root, dirname(file), specifier)).replace(/\.js$/, '.ts'));
}

/** The first circular import among the files; undefined if no imports are circular. */
function circleAmong(files: readonly string[]): string | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' → ');
    if (done.has(file) || !existsSync(join(root, file))) return undefined;
    const below = loads(file).map((next) => visit(next, [...path, file]));
    done.add(file);
    return below.find((circle) => circle !== undefined);
  };
  return files.map((file) => visit(file, [])).find((circle) => circle !== undefined);
}

test.each(['src', 'servers'])('no file of %s loads itself through others', (folder) => {
  expect(circleAmong(sources(folder))).toBeUndefined();
});

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly import: string; readonly require: string }>>;
  readonly typesVersions: { readonly '*': Readonly<Record<string, readonly string[]>> };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

describe('the manifest', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

  test('has every entry with its source, and every optional entry', () => {
    const built = Object.values(manifest.exports).filter((target) => typeof target !== 'string');
    for (const target of built) {
      const source = target.import.replace('./dist/esm/', 'src/').replace(/\.js$/, '.ts');
      expect(existsSync(join(root, source)) ? source : `${source} is missing`).toBe(source);
      expect(target.require).toBe(target.import.replace('/esm/', '/cjs/'));
    }
    const present = OPTIONAL_ENTRIES.filter((name) => existsSync(join(root, 'src', `${name}.ts`)));
    expect(Object.keys(manifest.exports)).toEqual(expect.arrayContaining(present.map((name) => `./${name}`)));
  });

  test('names the types of every entry for compilers that read no exports map', () => {
    const entries = Object.keys(manifest.exports).filter((name) => name !== '.' && !name.endsWith('.json'));
    const expected = entries.map((name) => [name.slice(2), [`./dist/cjs/${name.slice(2)}.d.ts`]]);
    expect(manifest.typesVersions['*']).toEqual(Object.fromEntries(expected));
  });

  test('lists as a dependency what the sources import, and nothing else', () => {
    const packages = sources('src')
      .flatMap(imports)
      .map(({ to }) => to)
      .filter((to) => /^[@a-z]/.test(to) && !to.startsWith('node:') && !inSource(to))
      .map((to) =>
        to
          .split('/')
          .slice(0, to.startsWith('@') ? 2 : 1)
          .join('/'),
      );
    const imported = new Set(packages);
    const { dependencies, peerDependencies } = manifest; // a peer may be what a user hands in, e.g. a client
    const installed = Object.keys(dependencies).filter((name) => !name.startsWith('@types/'));
    expect([...imported].filter((name) => !(name in dependencies || name in peerDependencies))).toEqual([]);
    expect(installed.filter((name) => !imported.has(name))).toEqual([]);
  });
});

test('property tests try the same cases at every run', () => {
  const wrong = sources('test')
    .flatMap(imports)
    .filter(({ from, to }) => {
      return to === 'fast-check' && from !== join('test', 'support', 'fast-check.ts');
    });
  expect(wrong.map(describeImport)).toEqual([]);
});
