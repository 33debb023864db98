// Checks that everything people read is plain English: pages, comments and messages.
//   node .ci/prose/check.js           fails if a file has a fault
//   node .ci/prose/check.js FILE…     checks these files only
import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TextlintKernel } from '@textlint/kernel';
import markdown from '@textlint/textlint-plugin-markdown';
import { rules } from './rules.js';
import { textsOf } from './texts.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const CHECKED = [
  '*.md',
  '.env.example',
  'src/*.ts',
  'servers/*.ts',
  'bin/*.js',
  'examples/*.js',
  'examples/*.ts',
  '.ci/*.js',
  'bench/*.js',
  'test/*.ts',
  'test/*.js',
];

/** Pages generated from texts that are checked or from measurements; the rules' own word lists. */
const EXCLUDED =
  /^(docs\/(api|measurements|third-party|performance\.md|design-decisions\.md)|\.ci\/prose\/habits\.js$|.*\.d\.ts$)/;

const kernel = new TextlintKernel();
const options = { ext: '.md', plugins: [{ pluginId: 'markdown', plugin: markdown.default ?? markdown }], rules };

async function faultsOf(file) {
  const faults = [];
  for (const { line, markdown: text } of textsOf(root, file)) {
    const { messages } = await kernel.lintText(text, { ...options, filePath: file });
    for (const message of messages) faults.push(`${file}:${line + message.line - 1}: ${message.message}`);
  }
  return faults;
}

function filesToCheck() {
  const list = ['ls-files', '-co', '--exclude-standard', ...CHECKED];
  const listed = execFileSync('git', list, { cwd: root, encoding: 'utf8' });
  return listed.split('\n').filter((file) => file !== '' && !EXCLUDED.test(file));
}

const named = process.argv.slice(2);
const faults = [];
for (const file of named.length > 0 ? named : filesToCheck()) faults.push(...(await faultsOf(file)));
for (const fault of faults) console.log(fault);
console.log(`${faults.length} phrasings to improve.`);
if (faults.length > 0) process.exitCode = 1;
