/** What the pages promise: their examples run as they stand, their links lead somewhere, the commands they name exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { examplesOf, parseExample, runExample } from './support/document-examples.js';

const root = join(__dirname, '..');
const pages = [
  'README.md',
  'CHANGELOG.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((page) => page.endsWith('.md'));

const scripts = new Set(
  ['package.json', 'bench/package.json'].flatMap((manifest) =>
    Object.keys((JSON.parse(readFileSync(join(root, manifest), 'utf8')) as { scripts: object }).scripts),
  ),
);

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');
const withoutCode = (text: string): string => text.replace(/^```[^]*?^```/gm, '');

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

const anchorsOf = (page: string): string[] =>
  [...withoutCode(textOf(page)).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1]!));

/** What is wrong with a link; undefined where nothing is. */
function faultOf(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : relative(root, join(root, dirname(page), path));
  if (!existsSync(join(root, target))) return `${link}: there is no such file`;
  if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor)) {
    return `${link}: there is no such heading`;
  }
  return undefined;
}

describe.each(pages)('%s', (page) => {
  test('its links lead somewhere', () => {
    const links = [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const own = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(own.map((link) => faultOf(page, link)).filter((fault) => fault !== undefined)).toEqual([]);
  });

  test('the npm scripts it names exist', () => {
    const named = [...textOf(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => !scripts.has(name))).toEqual([]);
  });
});

const examples = pages.flatMap(examplesOf);

test.each(examples.filter(({ isWhole }) => isWhole))('the example at $name runs', (example) => {
  expect(runExample(example)).toBe('');
});

test.each(examples.filter(({ isWhole }) => !isWhole))('the fragment at $name is TypeScript', (example) => {
  expect(() => parseExample(example)).not.toThrow();
});
