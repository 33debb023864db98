/** The TypeScript examples of a page of documentation, each run in a process of its own. */
import { buildSync, transformSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const packages = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
/** Every entry of the package by the name users import, with its source. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry): [name: string, source: string] => [
    join(manifest.name, entry),
    join(root, 'src', `${entry === '.' ? 'index' : entry}.ts`),
  ])
  .sort(([a], [b]) => b.length - a.length); // the longest first: an alias also stands for what it begins

export interface Example {
  /** 'docs/health.md:12', the line the example starts on. */
  readonly name: string;
  readonly code: string;
  /** False for a fragment, marked ```ts no-run. */
  readonly isWhole: boolean;
}

/** The ```ts blocks of a page. */
export function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```ts( no-run)?\n([^]*?)```/g)].map((match) => ({
    name: `${page}:${text.slice(0, match.index).split('\n').length}`,
    code: match[2]!,
    isWhole: match[1] === undefined,
  }));
}

/** Throws where a fragment is not even TypeScript. */
export function parseExample({ code }: Example): void {
  transformSync(code, { loader: 'ts' });
}

/** What went wrong when the example ran to its end; empty when nothing did. */
export function runExample({ code }: Example): string {
  const { outputFiles } = buildSync({
    stdin: { contents: `${code}\nprocess.exit(0);`, loader: 'ts', resolveDir: root },
    alias: Object.fromEntries(entries),
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    external: packages,
    logLevel: 'silent',
  });
  const folder = mkdtempSync(join(tmpdir(), 'example-')); // what an example writes goes with it
  const run = spawnSync(process.execPath, ['--input-type=module', '-'], {
    cwd: root,
    env: { ...process.env, TMPDIR: folder },
    input: outputFiles[0]!.text,
    encoding: 'utf8',
    timeout: 15_000,
  });
  rmSync(folder, { recursive: true, force: true });
  return run.status === 0 ? '' : `exit ${run.status}: ${run.stderr}`;
}
