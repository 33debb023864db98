// Writes the bill of materials of the package (CycloneDX 1.5) into dist/sbom.json: the packages that are installed with it,
// from the lock file. The same lock file gives the same bytes. `npm sbom --omit dev` is not used, because npm 11 leaves out
// every package that a development tool needs as well, such as lru-cache.
//   npm run sbom              or, into another file: node .ci/sbom.js <path>
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packagesOf } from './licence-rules.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

const manifest = read('package.json');
const lock = read('package-lock.json');
const shipped = new Map([...packagesOf(lock)].filter(([, { isTool }]) => !isTool));

const refOf = ({ name, version }) => `${name}@${version}`;
const purlOf = ({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** An SPDX id, or an expression of several. */
const licencesOf = ({ license }) => [/[ (]/.test(license) ? { expression: license } : { license: { id: license } }];

function componentOf(entry) {
  const [algorithm, hash] = entry.integrity.split('-');
  return {
    'bom-ref': refOf(entry),
    type: 'library',
    name: entry.name,
    version: entry.version,
    scope: entry.isOptional ? 'optional' : 'required',
    purl: purlOf(entry),
    hashes: [{ alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(hash, 'base64').toString('hex') }],
    licenses: licencesOf(entry),
  };
}

/** The folder that a package in `from` finds another one in: its own node_modules, or one further up, as Node looks. */
function resolve(from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const candidate = `${folder}${folder === '' ? '' : '/'}node_modules/${name}`;
    if (shipped.has(candidate)) return candidate;
    if (folder === '') return undefined;
  }
}

/** The dependencies of a package that are installed with the kit. Optional peers are not. */
function dependenciesOf(folder) {
  const { dependencies, optionalDependencies } = lock.packages[folder];
  const found = Object.keys({ ...dependencies, ...optionalDependencies }).map((name) => resolve(folder, name));
  return found.filter((place) => place !== undefined).map((place) => refOf(shipped.get(place)));
}

const self = { name: manifest.name, version: manifest.version };
const unique = new Map([...shipped].map(([folder, entry]) => [refOf(entry), { folder, entry }]));
const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);

const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: {
    lifecycles: [{ phase: 'pre-build' }],
    component: {
      'bom-ref': refOf(self),
      type: 'library',
      ...self,
      description: manifest.description,
      purl: purlOf(self),
      licenses: [{ license: { id: manifest.license } }],
    },
  },
  components: sorted.map(({ entry }) => componentOf(entry)),
  dependencies: [
    { ref: refOf(self), dependsOn: dependenciesOf('') },
    ...sorted.map(({ folder, entry }) => ({ ref: refOf(entry), dependsOn: dependenciesOf(folder) })),
  ],
};

const target = process.argv[2] ?? join(root, 'dist/sbom.json');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${JSON.stringify(bom, null, 2)}\n`);
console.log(`${target}: ${bom.components.length} packages`);
