/** What the pages promise: their examples run as they stand, their links lead somewhere, the commands they name exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ExampleRunner, examplesOf } from './support/document-examples.js';
import { compileExamples } from './support/example-compiler.js';

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

/** Describes the fault of a link; undefined if the link is correct. */
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

test('every page of the site has one title, and no two pages have the same', () => {
  const titles = pages
    .filter((page) => page.startsWith('docs/') && !page.endsWith('_template.md') && page !== 'docs/index.md')
    .map((page) => [...withoutCode(textOf(page)).matchAll(/^# (.+)$/gm)].map((match) => match[1]));
  expect(titles.filter((found) => found.length !== 1)).toEqual([]);
  expect(new Set(titles.flat()).size).toBe(titles.length);
});

test('the README has at most 120 lines', () => {
  expect(textOf('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(120);
});

test('troubleshooting has at least 40 entries, each with its cause and its fix', () => {
  const [, ...entries] = textOf('docs/troubleshooting.md').split(/^### /m);
  expect(entries.length).toBeGreaterThanOrEqual(40);
  expect(entries.filter((entry) => !/^Cause: /m.test(entry) || !/^Fix: /m.test(entry))).toEqual([]);
});

test('the site leads to every page', () => {
  const navigation = readFileSync(join(root, 'docs/.vitepress/config.js'), 'utf8');
  const unreachable = pages
    .filter((page) => page.startsWith('docs/'))
    .map((page) => page.slice('docs/'.length, -'.md'.length))
    .filter((name) => name !== 'index' && !name.endsWith('_template') && !navigation.includes(`'/${name}'`));
  expect(unreachable).toEqual([]);
});

const examples = pages.flatMap(examplesOf);

describe('the examples', () => {
  const whole = examples.filter(({ isWhole }) => isWhole);
  let runner: ExampleRunner;
  let outputs: ReturnType<ExampleRunner['start']>;
  beforeAll(() => {
    runner = new ExampleRunner();
    outputs = runner.start(whole);
  });
  afterAll(() => runner.close());

  test.each(whole)('the example at $name runs', async (example) => {
    expect(await outputs.get(example)).toBe('');
  });
});

const references = readdirSync(join(root, 'docs/api')).map((name) => `docs/api/${name}`);

test('every example of the pages and of the API reference compiles in strict mode', () => {
  // The compilation must find these two faults, and no others.
  const code = "import { rateLimit } from '@tooloo/resilience';\nrateLimit({ rateLimt: 1 });\nnothing();";
  const wrong = { name: 'wrong.md:10', code, isWhole: false };
  expect(compileExamples([...examples, ...references.flatMap(examplesOf), wrong])).toEqual([
    expect.stringMatching(/^wrong\.md:12: .*rateLimt/),
    expect.stringMatching(/^wrong\.md:13: .*nothing/),
  ]);
});

test('every block of code in JavaScript or TypeScript is compiled', () => {
  const others = pages.filter((page) => /^```(?:js|javascript|typescript|mjs|cjs)\b/m.test(textOf(page)));
  expect(others).toEqual([]);
});
