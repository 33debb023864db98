// Bun and Deno, which run the packed package through their compatibility with Node. npm has the binary of each as a package.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { createProject } from './npm.js';
import { runProgram } from './run.js';

const PLATFORM = `${process.platform}-${process.arch}`;
const PROGRAM = 'runtime.mjs';

const RUNTIMES = [
  {
    name: 'Bun',
    version: '1.4.4',
    packageName: `@oven/bun-${PLATFORM}`,
    binary: 'bin/bun',
    command: ['run', PROGRAM],
  },
  {
    name: 'Deno',
    version: '2.9.6',
    packageName: `@deno/${PLATFORM}${process.platform === 'linux' ? '-glibc' : ''}`,
    binary: 'deno',
    command: ['run', '--allow-all', '--node-modules-dir=manual', PROGRAM],
  },
];

/** Runs a program that uses every middleware on each, and calls `note` with the results. */
export async function checkRuntimes(project, tarball, note) {
  const runtimes = RUNTIMES.map(({ packageName, version }) => `${packageName}@${version}`);
  await createProject(project, process.execPath, [tarball, 'express@5', ...runtimes, '--ignore-scripts']);
  cpSync(new URL(`programs/${PROGRAM}`, import.meta.url), join(project, PROGRAM));
  for (const { name, version, packageName, binary, command } of RUNTIMES) {
    const path = join(project, 'node_modules', packageName, binary);
    const [subcommand, ...args] = command;
    note(`every middleware on ${name} ${version}`, {}, await runProgram(path, subcommand, project, args));
  }
}
