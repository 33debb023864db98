// The texts people read: pages, and in the code its comments and the messages it prints.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const ts = createRequire(import.meta.url)('typescript');

/** Words from which a string of the code is taken for a sentence. */
const FEWEST_WORDS = 4;

/** A longer string of lower-case words without any punctuation is a list of words. */
const MOST_UNPUNCTUATED = 20;

/** A comment without its marks, and without the parts that are not prose: tags, examples and indented commands. */
function proseOfComment(text) {
  return text
    .replace(/^\s*\/\/ {2,}\S.*$/gm, '')
    .replace(/^\/\*\*?|\*\/$/g, '')
    .replace(/^\s*\/\/+ ?/gm, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/^\s*eslint-.*$/gm, '')
    .replace(/^@example\b(?:\n(?!@).*)*/gm, '')
    .replace(/^@(?:param|returns?|throws|module|see)\b( \w+(?=\s))?/gm, '')
    .replace(/\{@link ([^}]*)\}/g, '`$1`')
    .trim();
}

/** Consecutive line comments are one text. */
function commentsOf(source) {
  const text = source.getFullText();
  const seen = new Map();
  const visit = (node) => {
    for (const range of [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.getEnd()) ?? []),
    ]) {
      seen.set(range.pos, range.end);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  const found = [];
  for (const [pos, end] of [...seen].sort(([a], [b]) => a - b)) {
    const last = found.at(-1);
    const isLine = text.startsWith('//', pos);
    if (last?.isLine && isLine && text.slice(last.end, pos).trim() === '') {
      last.text += `\n${text.slice(pos, end)}`;
      last.end = end;
    } else found.push({ pos, end, isLine, text: text.slice(pos, end) });
  }
  return found.map(({ pos, text: comment }) => ({ pos, prose: proseOfComment(comment) }));
}

/** String literals that read like sentences: errors, warnings, log lines, labels. */
function messagesOf(source) {
  const found = [];
  const add = (node, prose) => {
    const words = prose.split(/\s+/).length;
    if (words > MOST_UNPUNCTUATED && /^[a-z ]+$/.test(prose)) return; // a list of words
    const isProse = words >= FEWEST_WORDS && /^[\w'"`(…:-][^<>{}|]*$/.test(prose);
    if (isProse && !/\b(?:SELECT|INSERT|UPDATE|CREATE|DELETE) /.test(prose))
      found.push({ pos: node.getStart(), prose });
  };
  const visit = (node) => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) add(node, node.text);
    if (ts.isTemplateExpression(node)) {
      add(node, node.head.text + node.templateSpans.map(({ literal }) => `code${literal.text}`).join(''));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The prose of a source file, each with its line. */
function proseOfCode(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return [...commentsOf(source), ...messagesOf(source)].map(({ pos, prose }) => ({
    line: source.getLineAndCharacterOfPosition(pos).line + 1,
    markdown: prose,
  }));
}

/** The texts of a file: a page whole, a source file by comment and message. */
export function textsOf(root, file) {
  const text = readFileSync(join(root, file), 'utf8');
  if (file.endsWith('.md'))
    return [{ line: 1, markdown: text.replace(/^---\n[^]*?\n---\n/, '').replace(/\{\{[^}]*\}\}/g, '`figure`') }];
  if (file.endsWith('.example'))
    return [{ line: 1, markdown: text.replace(/^[A-Z_]+=.*$/gm, '').replace(/^# ?/gm, '') }];
  return proseOfCode(file, text);
}
