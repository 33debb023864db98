// Compares the manifest with the files. Every import of the built package is declared, and every declaration is used. The
// archive holds the files it should and no others. Every npm leaves the lock file unchanged.
//   node .ci/dependencies.js     after the build
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const names = (section) => Object.keys(manifest[section] ?? {});
const shipped = [...names('dependencies'), ...names('optionalDependencies')];
const peers = names('peerDependencies');

/** Development dependencies that no file imports, and what needs them. */
const TOOLS = {
  '@arethetypeswrong/cli': '.ci/run',
  publint: '.ci/run',
  eslint: 'npm run lint',
  prettier: 'npm run lint',
  jest: 'npm test',
  'ts-jest': 'jest.config.ts',
  'ts-node': 'jest, which reads jest.config.ts with it',
  typedoc: 'npm run docs:api',
  'typedoc-plugin-markdown': '.ci/typedoc.json',
};

function filesIn(folder, pattern) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name) && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

const packageOf = (specifier) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** Whether it stands in a string: `resolve('better-sqlite3')`, `resolve('dclint/package.json')`, a plugin's name. */
const namesPackage = (text, name) =>
  ["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`) || text.includes(`${quote}${name}/`));

/** The packages that files name: in imports of every kind, and in strings. */
function packagesIn(files, declared) {
  const found = { imported: new Set(), named: new Set() };
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
      if (/^[@a-z]/.test(fileName) && !isBuiltin(fileName)) found.imported.add(packageOf(fileName));
    }
    for (const name of declared) if (namesPackage(text, name)) found.named.add(name);
  }
  return found;
}

/** The package as it is built: code and declarations, in both formats. */
function checkShipped() {
  const declared = [...shipped, ...peers];
  return ['dist/esm', 'dist/cjs'].flatMap((folder) => {
    const { imported, named } = packagesIn(filesIn(folder, /\.(js|d\.ts)$/), declared);
    const missing = [...imported].filter((name) => !declared.includes(name));
    const isUsed = (name) => imported.has(name.replace(/^@types\//, '')) || named.has(name) || peers.includes(name);
    return [
      ...missing.map((name) => `${folder} imports ${name}, which package.json does not declare`),
      ...declared.filter((name) => !isUsed(name)).map((name) => `${folder} does not use ${name}`),
    ];
  });
}

/** Checks the packages that development needs: those of the fleet's sources, the tests and the tools. */
function checkDevelopment() {
  const declared = [...shipped, ...peers, ...names('devDependencies')];
  const sources = ['src', 'servers', 'test', '.ci'].flatMap((folder) => filesIn(folder, /\.(ts|cts|js|css|json)$/));
  const { imported, named } = packagesIn([...sources, 'jest.config.ts'], declared);
  const own = new Set([manifest.name, ...declared]);
  const typed = (name) =>
    name.startsWith('@types/') && (name === '@types/node' || own.has(name.replace('@types/', '')));
  const isUsed = (name) => imported.has(name) || named.has(name) || typed(name) || name in TOOLS;
  return [
    ...[...imported].filter((name) => !own.has(name)).map((name) => `a source imports ${name}: it is not declared`),
    ...names('devDependencies')
      .filter((name) => !isUsed(name))
      .map((name) => `nothing uses ${name}`),
  ];
}

/** The archive: code with its declarations, the two pages and the licence. */
function checkArchive() {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const paths = JSON.parse(output)[0].files.map(({ path }) => path);
  const wanted =
    /^(bin\/[\w-]+\.js|dist\/(esm|cjs)\/.+\.(js|d\.ts)|dist\/cjs\/package\.json|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
  const exported = Object.values(manifest.exports).flatMap((target) =>
    Object.values(typeof target === 'string' ? [target] : target),
  );
  const absent = [...exported.map((path) => path.slice(2)), 'README.md', 'CHANGELOG.md', 'LICENSE'];
  return [
    ...paths.filter((path) => !wanted.test(path)).map((path) => `the archive holds ${path}`),
    ...absent.filter((path) => !paths.includes(path)).map((path) => `the archive lacks ${path}`),
  ];
}

/** npm 11 writes the field `libc`, and npm 10 removes it again: without it, the two leave the file alone. */
function checkLock() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const changed = Object.keys(packages).filter((folder) => packages[folder].libc !== undefined);
  const remedy = "run 'npx npm@10 install --package-lock-only'";
  return changed.map((folder) => `npm 10 would change package-lock.json (libc of ${folder}): ${remedy}`);
}

const faults = [...checkShipped(), ...checkDevelopment(), ...checkArchive(), ...checkLock()];
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
