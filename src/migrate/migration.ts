/** How the code that uses one package is rewritten. */
import { importsOf, replaceImports } from './imports.js';
import type { Rows } from './options.js';
import { Source, type Compiler, type Note } from './source.js';

/**
 * The names that a file has for an export: `rateLimit`, or `express.rateLimit` of a namespace.
 *
 * @example
 * import type { Locals } from '@tooloo/resilience/migrate';
 *
 * export const isImported = (locals: Locals, name: string): boolean => locals.of(name).size > 0;
 */
export interface Locals {
  of(imported: string): ReadonlySet<string>;
}

/** Imports a name of this package, by default from the main entry, and returns the name that the file then has for it. */
export type Use = (name: string, entry?: string, local?: string) => string;

/**
 * The rewriting of the code that uses one package.
 *
 * @example
 * import type { Migration } from '@tooloo/resilience/migrate';
 *
 * const rename: Migration = {
 *   peer: 'old-limiter',
 *   tables: {},
 *   exports: { limit: 'rateLimit' },
 *   rewrite: (_source, _locals, use) => void use('rateLimit'),
 * };
 */
export interface Migration {
  /** The package that is replaced. */
  readonly peer: string;
  /** Every option and method, by what it belongs to. docs/migrating.md has a table for each. */
  readonly tables: Readonly<Record<string, Rows>>;
  /** The name here of an export there that keeps the name the file has for it; '' if calls of it get another name. */
  readonly exports: Readonly<Record<string, string>>;
  rewrite(source: Source, locals: Locals, use: Use): void;
}

/** The result for one file. */
export interface Migrated {
  /** The text as it is now. Equal to what it was if the package is not imported. */
  readonly text: string;
  readonly isChanged: boolean;
  /** Work that is left to do by hand, and differences in behavior, by line of the old text. */
  readonly notes: readonly Note[];
}

/**
 * Rewrites the text of one file. Files that do not import the package stay as they are.
 *
 * @example
 * import * as typescript from 'typescript';
 * import { MIGRATIONS, migrateText } from '@tooloo/resilience/migrate';
 *
 * const code = "import rateLimit from 'express-rate-limit';\nrateLimit({ max: 10, windowMs: 60_000 });";
 * for (const migration of MIGRATIONS) console.log(migrateText(typescript, migration, 'app.ts', code).text);
 */
export function migrateText(compiler: Compiler, migration: Migration, name: string, text: string): Migrated {
  const source = new Source(compiler, name, text);
  const statements = importsOf(source, migration.peer);
  if (statements.length === 0) return { text, isChanged: false, notes: [] };
  const bindings = statements.flatMap((statement) => statement.bindings);
  const spaces = bindings
    .filter(({ imported }) => imported === '*' || imported === 'default')
    .map(({ local }) => local);
  const isSame = (one: string, other: string): boolean =>
    one === other || (Boolean(migration.exports[one]) && migration.exports[one] === migration.exports[other]);
  const locals: Locals = {
    of: (imported) =>
      new Set([
        ...bindings.filter((one) => isSame(one.imported, imported)).map((one) => one.local),
        ...spaces.map((space) => `${space}.${imported}`),
      ]),
  };
  const used = new Map<string, Map<string, string>>();
  const use: Use = (here, entry = '', local = here) => {
    const names = used.get(entry) ?? new Map<string, string>();
    used.set(entry, names.set(local, here));
    return local;
  };
  migration.rewrite(source, locals, use);
  const body = statements.reduce((rest, { statement }) => rest.replace(source.textOf(statement), ''), source.result());
  const isUsed = (local: string): boolean => new RegExp(`(?<![\\w$.])${local}(?![\\w$])`).test(body);
  for (const { local, imported } of bindings) {
    const here = imported === '*' ? undefined : migration.exports[imported];
    if (here !== undefined && here !== '' && isUsed(local)) use(here, '', local);
  }
  replaceImports(source, migration.peer, statements, isUsed, used);
  return {
    text: source.result(),
    isChanged: source.isChanged,
    notes: [...source.notes].sort((a, b) => a.line - b.line),
  };
}
