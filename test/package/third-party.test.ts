/** The list of third-party code: the page, the lock file and the bundles agree, and a change of either is noticed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'third-party-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface LockEntry {
  version?: string;
  license?: string;
  integrity?: string;
  readonly dev?: boolean;
}
type Lock = { readonly packages: Record<string, LockEntry> };

const readLock = (): Lock => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;

function run(program: string, ...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [join(root, '.ci', program), ...args], { encoding: 'utf8' });
  return { status, stderr };
}

/** Checks the page against the lock file with a change in it. */
function checkWith(change: (packages: Lock['packages']) => void): { status: number | null; stderr: string } {
  const lock = readLock();
  change(lock.packages);
  const path = join(folder, 'lock.json');
  writeFileSync(path, JSON.stringify(lock));
  return run('licences.js', '--check', '--lock', path);
}

test('the page says what the lock file and the bundles say', () => {
  expect(run('licences.js', '--check')).toEqual({ status: 0, stderr: '' });
});

test.each([
  ['another archive', 'integrity', 'sha512-AAAA', 'is not what the lock file and the bundles say'],
  ['another version', 'version', '99.0.0', "the lock file says 99.0.0: run 'npm ci'"],
  ['a licence that is not on the list', 'license', 'AGPL-3.0', 'AGPL-3.0 is not on the list for what is shipped'],
  ['no licence', 'license', undefined, 'preact .*: states no licence'],
] as const)('%s of what browsers get is noticed', (_name, field, value, message) => {
  const { status, stderr } = checkWith((packages) => (packages['node_modules/preact']![field] = value));
  expect(status).toBe(1);
  expect(stderr).toMatch(new RegExp(message));
});

test('what is bundled without being in the lock file is noticed', () => {
  const { stderr } = checkWith((packages) => delete packages['node_modules/htm']);
  expect(stderr).toContain('node_modules/htm is bundled, but not in the lock file');
});

test('a tool may have a licence that what is shipped may not', () => {
  const { license, dev } = readLock().packages['node_modules/axe-core']!;
  expect({ license, dev }).toEqual({ license: 'MPL-2.0', dev: true });
  const { stderr } = checkWith((packages) => (packages['node_modules/lru-cache']!.license = license));
  expect(stderr).toContain('MPL-2.0 is not on the list for what is shipped');
});

describe('the bill of materials', () => {
  interface Bom {
    readonly metadata: { readonly component: { readonly 'bom-ref': string } };
    readonly components: ReadonlyArray<{ readonly 'bom-ref': string; readonly purl: string }>;
    readonly dependencies: ReadonlyArray<{ readonly ref: string; readonly dependsOn: readonly string[] }>;
  }

  function write(name: string): string {
    const path = join(folder, name);
    expect(run('sbom.js', path)).toEqual({ status: 0, stderr: '' });
    return readFileSync(path, 'utf8');
  }

  test('is the same at every run', () => {
    expect(write('first.json')).toBe(write('second.json'));
  });

  test('lists what is installed with the package, each reached from it, and nothing else', () => {
    const bom = JSON.parse(write('bom.json')) as Bom;
    const dependsOn = new Map(bom.dependencies.map((one) => [one.ref, one.dependsOn]));
    const reached = new Set<string>();
    const visit = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of dependsOn.get(ref)!) visit(next);
    };
    const own = bom.metadata.component['bom-ref'];
    visit(own);
    reached.delete(own);
    expect([...reached].sort()).toEqual(bom.components.map((one) => one['bom-ref']).sort());
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object>;
    expect(dependsOn.get(own)!.map((ref) => ref.replace(/@[^@]+$/, ''))).toEqual(
      expect.arrayContaining(Object.keys(dependencies!)),
    );
  });
});
