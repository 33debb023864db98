/** Runs the TypeScript examples of a documentation page, each in a process of its own. */
import { buildSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');

export interface Example {
  /** 'health.md:12', the line the example starts on. */
  readonly name: string;
  readonly code: string;
}

/** The ```ts blocks of a page under docs/. */
export function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  return [...text.matchAll(/```ts\n([^]*?)```/g)].map((match) => ({
    name: `${page}:${text.slice(0, match.index).split('\n').length}`,
    code: match[1]!,
  }));
}

/** What went wrong when the example ran to its end; empty when nothing did. */
export function runExample({ code }: Example): string {
  const { outputFiles } = buildSync({
    stdin: { contents: `${code}\nprocess.exit(0);`, loader: 'ts', resolveDir: root },
    alias: {
      '@tooloo/resilience/redis': join(root, 'src/redis.ts'),
      '@tooloo/resilience/postgres': join(root, 'src/postgres.ts'),
      '@tooloo/resilience/cls-hooked': join(root, 'src/cls-hooked.ts'),
      '@tooloo/resilience/testing': join(root, 'src/testing.ts'),
      '@tooloo/resilience': join(root, 'src/index.ts'),
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    external: [
      'express',
      'cls-hooked',
      'ioredis',
      'pg',
      'better-sqlite3',
      'node-cache',
      'axios',
      'undici',
      'prom-client',
      'lru-cache',
    ],
    logLevel: 'silent',
  });
  const run = spawnSync(process.execPath, ['--input-type=module', '-'], {
    cwd: root,
    input: outputFiles[0]!.text,
    encoding: 'utf8',
    timeout: 15_000,
  });
  return run.status === 0 ? '' : `exit ${run.status}: ${run.stderr}`;
}
