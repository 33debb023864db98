// Writes docs/api from the docstrings of the sources: one page per capability and per optional entry.
//   npm run docs:api              writes the pages
//   npm run docs:api -- --check   fails if the pages differ from the sources
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { incompleteNames } from './api-completeness.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'docs/api');
const settings = join(root, '.ci/typedoc.json');

/** TypeDoc has no program of its own among its exports; it lies beside its manifest. */
const typedoc = join(dirname(createRequire(import.meta.url).resolve('typedoc/package.json')), 'bin/typedoc');

const read = (folder, name) => readFileSync(join(folder, name), 'utf8');

/** The pages whose names users import from another entry than the main one. */
const optional = JSON.parse(read(root, '.ci/typedoc.json'))
  .entryPoints.map((path) => /^\.\.\/src\/([\w-]+)\.ts$/.exec(path)?.[1])
  .filter((name) => name !== undefined);

/** The first paragraph of a page, which is that of its source, in one line. */
function introductionOf(page) {
  const [, paragraph = ''] = page.split('\n\n');
  const line = paragraph.replaceAll('\n', ' ').replace(/^`@tooloo\/resilience\/[\w-]+`: /, '');
  return line.charAt(0).toUpperCase() + line.slice(1);
}

function indexOf(folder) {
  const names = readdirSync(folder).filter((name) => name !== 'README.md');
  const rows = names.map((name) => {
    const page = name.replace('.md', '');
    const entry = optional.includes(page) ? `@tooloo/resilience/${page}` : '@tooloo/resilience';
    return `| [${page}](${name}) | \`${entry}\` | ${introductionOf(read(folder, name))} |`;
  });
  return `# API reference

Every public name, generated from the docstrings by \`npm run docs:api\`. The guides in [docs](../) explain when to use
each part. Times are in milliseconds and sizes in bytes unless a name states another unit. A function or class with options
throws a TypeError or RangeError for an option that is unknown, of the wrong type or out of range. Every other error of the
kit is a [ResilienceError](shared.md#resilienceerror), and [errors](../errors.md) explains each code.

| page | import from | content |
| --- | --- | --- |
${rows.join('\n')}
`;
}

/** A parameter that is taken apart where it is declared has no name of its own: an optional one is always the options. */
function nameParameters(folder) {
  for (const name of readdirSync(folder)) {
    const page = read(folder, name)
      .replaceAll('__namedParameters?', 'options?')
      .replaceAll('__namedParameters', 'value');
    writeFileSync(join(folder, name), page);
  }
}

/** Every warning of TypeDoc (a public type that is not exported, a broken link) is an error. */
function generate(folder) {
  execFileSync(process.execPath, [typedoc, '--options', settings, '--out', folder], { cwd: root, stdio: 'inherit' });
  nameParameters(folder);
  writeFileSync(join(folder, 'README.md'), indexOf(folder));
  const faults = incompleteNames(folder);
  if (faults.length > 0) throw new Error(`docs/api is incomplete:\n${faults.join('\n')}`);
}

/** The names of the pages that differ, are missing or are left over. */
function differing(folder) {
  const present = existsSync(target) ? readdirSync(target) : [];
  const names = [...new Set([...readdirSync(folder), ...present])];
  const isSame = (name) =>
    existsSync(join(folder, name)) && present.includes(name) && read(folder, name) === read(target, name);
  return names.filter((name) => !isSame(name));
}

function main(mode) {
  if (mode !== undefined && mode !== '--check') throw new Error(`expected no argument or --check, got '${mode}'`);
  const folder = mkdtempSync(join(tmpdir(), 'api-'));
  try {
    generate(folder);
    const outdated = differing(folder);
    if (mode === '--check' && outdated.length > 0) {
      throw new Error(`docs/api is not what the sources say (${outdated.join(', ')}): run 'npm run docs:api'`);
    }
    if (mode === undefined) {
      rmSync(target, { recursive: true, force: true });
      cpSync(folder, target, { recursive: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  main(process.argv[2]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
