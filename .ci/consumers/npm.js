// npm, run by a chosen Node: what is installed depends on which one runs it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputOf } from './run.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** npm's program: what `npm run` says it is, else what the shell would start. */
const cli = process.env.npm_execpath ?? realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());

const npm = (node, args, cwd) => outputOf(node, [cli, ...args], cwd);

/** Packs the built package; the path of the file. */
export async function pack(folder) {
  const name = await npm(process.execPath, ['pack', '--silent', '--pack-destination', folder], root);
  return join(folder, name);
}

/** A new project with these packages. */
export async function createProject(folder, node, packages) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  await install(folder, node, packages);
}

/** Installs into a project, from npm's cache where it can. Without packages: what its lock file says. */
export const install = (folder, node, packages = []) =>
  npm(node, ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages], folder);
