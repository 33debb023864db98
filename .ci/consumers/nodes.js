// The versions of Node that the package supports: the one that runs this, and the others as npm packages.
import { join } from 'node:path';
import { createProject } from './npm.js';
import { outputOf, together } from './run.js';

/** Of each line that is maintained, or still in use, since the first that package.json admits. */
const MAJORS = [20, 22, 24];

const PLATFORMS = { linux: 'linux', darwin: 'darwin', win32: 'win' };

/** The error message of npm, without the code and the command that precede it. */
const reasonOf = ({ message }) => /^npm error (?!code )(.+)$/m.exec(message)?.[1] ?? message.split('\n')[0];

async function bringNode(major, folder) {
  if (process.versions.node.startsWith(`${major}.`)) return { major, path: process.execPath, version: process.version };
  const name = `node-${PLATFORMS[process.platform]}-${process.arch}`;
  const project = join(folder, String(major));
  try {
    await createProject(project, process.execPath, [`${name}@${major}`]);
    const path = join(project, 'node_modules', name, 'bin/node');
    return { major, path, version: await outputOf(path, ['--version'], project) };
  } catch (error) {
    return { major, missing: `${name}@${major}: ${reasonOf(error)}` };
  }
}

/** Each as `{ major, path, version }`, or `{ major, missing }` with the reason why it cannot be had here. */
export function bringNodes(folder) {
  return together(MAJORS.map((major) => () => bringNode(major, folder)));
}
