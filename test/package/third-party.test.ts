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

/** Changes of the lock file, each with what must be said about it. */
const CHANGES: Readonly<Record<string, { change: (packages: Lock['packages']) => void; said: RegExp }>> = {
  nothing: { change: () => undefined, said: /^$/ },
  'another archive of what browsers get': {
    change: (packages) => (packages['node_modules/preact']!.integrity = 'sha512-AAAA'),
    said: /is not what the lock file and the bundles say/,
  },
  'another version of what browsers get': {
    change: (packages) => (packages['node_modules/preact']!.version = '99.0.0'),
    said: /the lock file says 99\.0\.0: run 'npm ci'/,
  },
  'a licence of what browsers get that is not on the list': {
    change: (packages) => (packages['node_modules/preact']!.license = 'AGPL-3.0'),
    said: /AGPL-3\.0 is not on the list for what is shipped/,
  },
  'no licence of what browsers get': {
    change: (packages) => delete packages['node_modules/preact']!.license,
    said: /preact .*: states no licence/,
  },
  'what is bundled without being in the lock file': {
    change: (packages) => delete packages['node_modules/htm'],
    said: /node_modules\/htm is bundled, but not in the lock file/,
  },
  'a licence that only a tool may have': {
    change: (packages) => (packages['node_modules/lru-cache']!.license = 'MPL-2.0'),
    said: /MPL-2\.0 is not on the list for what is shipped/,
  },
};

describe('the page', () => {
  const lockOf = (name: string): string => join(folder, `${name}.json`);
  let checked: { status: number | null; stderr: string };

  // One run checks all of them, because it bundles the fleet first.
  beforeAll(() => {
    for (const [name, { change }] of Object.entries(CHANGES)) {
      const lock = readLock();
      change(lock.packages);
      writeFileSync(lockOf(name), JSON.stringify(lock));
    }
    checked = run('licences.js', '--check', ...Object.keys(CHANGES).flatMap((name) => ['--lock', lockOf(name)]));
  });

  test.each(Object.entries(CHANGES))('is checked against the lock file with a change: %s', (name, { said }) => {
    const [, faults = ''] = checked.stderr.split(`${lockOf(name)}: `);
    expect(faults.split(`${folder}/`)[0]).toMatch(said);
  });

  test('fails the check when anything is wrong', () => {
    expect(checked.status).toBe(1);
    expect(run('licences.js', '--check')).toEqual({ status: 0, stderr: '' });
  });
});

test('a tool may have a licence that what is shipped may not', () => {
  const { license, dev } = readLock().packages['node_modules/axe-core']!;
  expect({ license, dev }).toEqual({ license: 'MPL-2.0', dev: true });
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
