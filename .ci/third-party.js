// The notices of a bundle: the unchanged licence text of each package in it, which most licences require.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packagesIn } from './bundles.js';

/** The text of a package's licence; where it ships none, what its manifest says. */
function licenceOf(folder, { license }) {
  const name = readdirSync(folder).find((file) => /^(licen[cs]e|copying)(\.|$)/i.test(file));
  return name === undefined ? `Licence: ${license}` : readFileSync(join(folder, name), 'utf8').trim();
}

/** Writes the notices of everything in the bundle into one file. */
export function writeNotices(root, metafile, target) {
  const notices = [...packagesIn(metafile).keys()].sort().map((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    return `${manifest.name} ${manifest.version}\n\n${licenceOf(join(root, folder), manifest)}\n`;
  });
  writeFileSync(target, notices.join(`\n${'-'.repeat(80)}\n\n`));
}
