// Which licences the project takes, and what the lock file says of a package.

/** For what is shipped, installed with the package or sent to browsers: permissive, asking for no more than their notice. */
const SHIPPED = new Set(['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

/** For tools that check and build and are not distributed. MPL-2.0: axe-core; CC-BY-4.0: the data of caniuse-lite. */
const TOOLS = new Set([...SHIPPED, 'CC0-1.0', 'CC-BY-4.0', 'MPL-2.0', 'Python-2.0']);

/** Packages that state their licence where npm does not read it: in the old field `licenses`. */
const STATED_ELSEWHERE = new Map([['format@0.2.2', 'MIT']]);

/** Whether an SPDX expression offers a licence of the list. Parentheses within others do not occur, and are refused. */
function offers(expression, allowed) {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  if (plain.includes(' AND ')) return plain.split(' AND ').every((part) => allowed.has(part));
  return plain.split(' OR ').some((part) => allowed.has(part));
}

const nameOf = (folder, { name }) => name ?? folder.split('node_modules/').at(-1);

/** The packages of the lock file, by their folders: name, version, licence, hash of the archive, whether it is only a tool. */
export function packagesOf(lock) {
  const entries = Object.entries(lock.packages).filter(([folder]) => folder !== '');
  return new Map(
    entries.map(([folder, entry]) => {
      const { version, integrity, dev = false, peer = false, optional = false } = entry;
      const license = entry.license ?? STATED_ELSEWHERE.get(`${nameOf(folder, entry)}@${version}`);
      const isTool = dev || peer;
      return [folder, { name: nameOf(folder, entry), version, license, integrity, isTool, isOptional: optional }];
    }),
  );
}

/** The fault of a package; undefined if it has none. */
export function faultOf({ name, version, license, integrity, isTool }) {
  if (integrity === undefined) return `${name} ${version}: the lock file has no hash of it`;
  if (license === undefined) return `${name} ${version}: states no licence`;
  if (offers(license, isTool ? TOOLS : SHIPPED)) return undefined;
  return `${name} ${version}: the licence ${license} is not on the list for ${isTool ? 'tools' : 'what is shipped'}`;
}
