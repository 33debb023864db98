// Measures how much disk space a package and all its dependencies take, as npm installed them. Files that a compiler
// left behind do not count, because users get prebuilt native drivers.
import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const INTERMEDIATE =
  /[/\\]build[/\\](Release[/\\](obj|obj\.target|\.deps|.*\.a$|test_extension)|Makefile|deps|.*\.mk$|config\.gypi)/;

/** Where Node would find the package from there; undefined where it is not installed. */
function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate);
    if (dirname(folder) === folder) return undefined;
  }
}

export const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The folders of the packages named and of all they need, each once. */
export function closure(names, from, found = new Set()) {
  for (const name of names) {
    const folder = find(name, from);
    if (folder === undefined || found.has(folder)) continue;
    found.add(folder);
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    closure(Object.keys({ ...dependencies, ...optionalDependencies }), folder, found);
  }
  return found;
}

/** Bytes of a package's own files, without the packages installed inside it, which are counted separately. */
export function sizeOf(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === 'node_modules' || INTERMEDIATE.test(path)) continue;
    if (entry.isDirectory()) bytes += sizeOf(path);
    else if (entry.isFile()) bytes += statSync(path).size;
  }
  return bytes;
}
