// The package alone, without Express and without any optional package: how much is installed, what its types need, and what its
// parts say that need a package.
import { cpSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProject, install } from './npm.js';
import { OPTIONS, ownCompiler } from './programs.js';
import { outputOf, runProgram } from './run.js';

/** The most that an installation may bring. */
const MOST_PACKAGES = 25;
const MOST_BYTES = 12e6;

/** Compilers that users have, beside the one of this project. */
const COMPILERS = ['5.4', '5.9'];

/** Packages and bytes below node_modules. */
export function sizeOf(project) {
  const folder = join(project, 'node_modules');
  const { packages } = JSON.parse(readFileSync(join(folder, '.package-lock.json'), 'utf8'));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce(
    (sum, { parentPath, path, name }) => sum + statSync(join(parentPath ?? path, name)).size,
    0,
  );
  return { packages: Object.keys(packages).length, bytes };
}

async function compile(project, tsc) {
  const compilerOptions = { ...OPTIONS, module: 'nodenext', moduleResolution: 'nodenext', verbatimModuleSyntax: true };
  mkdirSync(join(project, 'bare'), { recursive: true });
  cpSync(new URL('programs/bare.ts', import.meta.url), join(project, 'bare/bare.ts'));
  writeFileSync(join(project, 'bare/package.json'), '{ "type": "module" }');
  writeFileSync(join(project, 'bare/tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  return outputOf(process.execPath, [tsc, '-p', 'bare'], project).then(
    () => undefined,
    (error) => error.message,
  );
}

/** Calls `note` with the result of each check. */
export async function checkBare(project, tarball, nodes, note) {
  await createProject(project, process.execPath, [tarball, '--ignore-scripts']);
  const { packages, bytes } = sizeOf(project);
  const size = `${packages} packages, ${(bytes / 1e6).toFixed(1)} MB`;
  const isSmall = packages <= MOST_PACKAGES && bytes <= MOST_BYTES;
  note(
    `installed alone: ${size}`,
    {},
    isSmall ? undefined : `more than ${MOST_PACKAGES} packages or ${MOST_BYTES} bytes`,
  );
  const aliases = COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`);
  await install(project, process.execPath, ['@types/node@20', ...aliases, '--ignore-scripts']);
  for (const version of COMPILERS) {
    const tsc = join(project, `node_modules/typescript-${version}/bin/tsc`);
    note(`TypeScript ${version}, no peers installed: types`, {}, await compile(project, tsc));
  }
  note('TypeScript of this project, no peers installed: types', {}, await compile(project, ownCompiler));
  for (const node of nodes) {
    note('no peers installed: run', { node }, await runProgram(node.path, 'bare.js', join(project, 'bare')));
  }
}
