// Finds public names of the API reference that lack a description or an example.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The groups of a page whose names are used in code. */
const USED = new Set(['Functions', 'Classes', 'Variables']);

/** The parts of a text that begin with a heading of this level, each with its title. */
function partsOf(text, level) {
  const [, ...parts] = text.split(new RegExp(`^${'#'.repeat(level)} (?=\\S)`, 'm'));
  return parts.map((part) => {
    const end = part.indexOf('\n');
    return { title: part.slice(0, end), content: part.slice(end) };
  });
}

/** A type needs an example if it has methods or can be called: a user implements it, or gets it to work with. */
function needsExample(group, { title, content }) {
  if (USED.has(group)) return true;
  return group === 'Interfaces' && (title.endsWith('()') || /^#### Methods$/m.test(content));
}

/** The text before the tables, without the signature. */
const descriptionOf = (content) =>
  content
    .split(/^#{4,5} (?!Call Signature)/m)[0]
    .replace(/^(?:>.*|#+ .*|\*\*\*|<a .*)$/gm, '')
    .trim();

function faultsOf(page, text) {
  return partsOf(text, 2).flatMap(({ title: group, content: names }) =>
    partsOf(names, 3).flatMap((name) => [
      ...(descriptionOf(name.content) === '' ? [`${page}: ${name.title} has no description`] : []),
      ...(needsExample(group, name) && !/^#{4,5} Examples?$/m.test(name.content)
        ? [`${page}: ${name.title} has no example`]
        : []),
    ]),
  );
}

/** The faults of all pages of a folder. */
export function incompleteNames(folder) {
  return readdirSync(folder).flatMap((page) => faultsOf(page, readFileSync(join(folder, page), 'utf8')));
}
