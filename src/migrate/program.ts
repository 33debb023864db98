/** The command `tooloo-migrate`: rewrites the code that uses another package, and prints what is left to do. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../shared/errors.js';
import { migrateText, type Migration } from './migration.js';
import { MIGRATIONS } from './peers/index.js';
import type { Compiler } from './source.js';

/** What the command needs of the process that runs it. */
export interface MigrateHost {
  /** Loads the TypeScript compiler, which reads JavaScript too. Rejects if it is not installed. */
  readonly loadCompiler: () => Promise<Compiler>;
  readonly print: (line: string) => void;
}

/**
 * The help text of the command.
 *
 * @example
 * import { MIGRATE_USAGE } from '@tooloo/resilience/migrate';
 *
 * console.log(MIGRATE_USAGE);
 */
export const MIGRATE_USAGE = `Usage: tooloo-migrate [--dry-run] <package> [file or folder …]

  tooloo-migrate express-rate-limit           rewrites every file below the current folder
  tooloo-migrate opossum src/clients.ts       rewrites one file
  tooloo-migrate --dry-run apicache           prints what would be rewritten

Packages: ${MIGRATIONS.map(({ peer }) => peer).join(', ')}
Prints what has no counterpart, and what behaves differently. It needs 'typescript', version 5 or 6.`;

const SOURCES = /\.[cm]?[jt]sx?$/;
const NOT_SOURCES = new Set(['node_modules', 'dist', 'build', 'coverage']);

function* filesIn(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || NOT_SOURCES.has(entry.name)) continue;
    if (entry.isDirectory() || SOURCES.test(entry.name)) yield* filesIn(join(path, entry.name));
  }
}

interface Totals {
  files: number;
  notes: number;
}

function migrateFile(
  compiler: Compiler,
  migration: Migration,
  path: string,
  isDry: boolean,
  print: MigrateHost['print'],
): Totals {
  const { text, isChanged, notes } = migrateText(compiler, migration, path, readFileSync(path, 'utf8'));
  if (isChanged && !isDry) writeFileSync(path, text);
  if (isChanged) print(`${isDry ? 'would rewrite' : 'rewrote'} ${path}`);
  for (const { line, message } of notes) print(`  ${path}:${line}  ${message}`);
  return { files: isChanged ? 1 : 0, notes: notes.length };
}

/**
 * Runs the command.
 *
 * @returns the exit code: 2 for wrong arguments, or without TypeScript
 *
 * @example
 * import { runMigrate } from '@tooloo/resilience/migrate';
 *
 * const host = { loadCompiler: () => import('typescript'), print: console.log };
 * process.exitCode = await runMigrate(['src'], host);
 */
export async function runMigrate(args: readonly string[], { loadCompiler, print }: MigrateHost): Promise<number> {
  const [name, ...given] = args.filter((one) => !one.startsWith('-'));
  const migration = MIGRATIONS.find(({ peer }) => peer === name || peer.endsWith(`/${name}`));
  const unknown = args.find((one) => one.startsWith('-') && one !== '--dry-run');
  if (migration === undefined || unknown !== undefined) {
    print(MIGRATE_USAGE);
    return args.includes('--help') ? 0 : 2;
  }
  try {
    const compiler = await loadCompiler();
    const totals: Totals = { files: 0, notes: 0 };
    for (const path of (given.length === 0 ? ['.'] : given).flatMap((one) => [...filesIn(one)])) {
      const { files, notes } = migrateFile(compiler, migration, path, args.includes('--dry-run'), print);
      totals.files += files;
      totals.notes += notes;
    }
    print(`${totals.files} files, ${totals.notes} notes. docs/migrating.md lists every option of ${migration.peer}.`);
    return 0;
  } catch (error) {
    print(`tooloo-migrate: ${messageOf(error).split('\n', 1)[0]}`);
    return 2;
  }
}
