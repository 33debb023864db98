// The consumers' programs in a project: the sources, compiled by TypeScript under each of its ways to find a package.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputOf } from './run.js';

const sources = join(dirname(fileURLToPath(import.meta.url)), 'programs');
/** The compiler that this project is developed with. */
export const ownCompiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');

/** How TypeScript users find packages. `node10` reads no exports map, only `main` and `typesVersions`. */
export const COMPILATIONS = [
  { name: 'node16 ESM', type: 'module', module: 'node16', moduleResolution: 'node16' },
  { name: 'node16 CJS', type: 'commonjs', module: 'node16', moduleResolution: 'node16' },
  { name: 'nodenext ESM', type: 'module', module: 'nodenext', moduleResolution: 'nodenext' },
  { name: 'nodenext CJS', type: 'commonjs', module: 'nodenext', moduleResolution: 'nodenext' },
  { name: 'bundler', type: 'module', module: 'esnext', moduleResolution: 'bundler', isBundled: true },
  { name: 'node10', type: 'commonjs', module: 'commonjs', moduleResolution: 'node10' },
];

export const OPTIONS = {
  target: 'es2022',
  lib: ['es2022'], // a server's: nothing in the declarations may need a browser's
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  esModuleInterop: true,
  skipLibCheck: false,
  noEmitOnError: true,
  types: ['node'],
};

const folderOf = (project, { name }) => join(project, name.replace(' ', '-').toLowerCase());

/** Puts the sources there and compiles them; the folder. Throws with what the compiler says. */
async function compile(project, compilation) {
  const folder = folderOf(project, compilation);
  const { type, module, moduleResolution } = compilation;
  mkdirSync(folder);
  cpSync(sources, folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
  const deprecated = moduleResolution === 'node10' && { ignoreDeprecations: '6.0' };
  // Under this option CommonJS must be written as such, which the programs are not.
  const verbatimModuleSyntax = type === 'module';
  const compilerOptions = { ...OPTIONS, module, moduleResolution, verbatimModuleSyntax, ...deprecated };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  await outputOf(process.execPath, [ownCompiler, '-p', '.'], folder);
  return folder;
}

/** Everything in one file but what is native, as a bundler's user ships it. */
async function bundle(folder) {
  const { build } = await import('esbuild');
  for (const name of ['main', 'entries']) {
    await build({
      entryPoints: [join(folder, `${name}.js`)],
      outfile: join(folder, `${name}.bundle.cjs`),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['pg-native'],
      logLevel: 'error',
    });
  }
}

/** `{ name, folder, programs }`, or with a `fault` where it does not compile. */
export async function compileProgram(project, compilation) {
  const { name, isBundled } = compilation;
  try {
    const folder = await compile(project, compilation);
    if (isBundled) await bundle(folder);
    const ending = isBundled ? 'bundle.cjs' : 'js';
    return { name, folder, programs: [`main.${ending}`, `entries.${ending}`] };
  } catch (error) {
    return { name, fault: error.message };
  }
}
