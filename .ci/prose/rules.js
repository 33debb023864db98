// Rules for textlint: the habits above, and sentences that are too long to understand at the first reading.
import { HABITS } from './habits.js';

/** Words in a sentence. About 25 is the aim; beyond this many it is an error. */
const MOST_WORDS = 34;

/** Text of a paragraph as a person reads it, code replaced by a word. */
function proseOf(node) {
  if (node.type === 'Str') return node.value;
  if (node.type === 'Code') return 'code';
  if (node.type === 'Break') return ' ';
  return (node.children ?? []).map(proseOf).join('');
}

const sentencesOf = (prose) => prose.split(/(?<=[.!?])\s+(?=[A-Z`"(])/);

const wordsOf = (sentence) => sentence.split(/\s+/).filter((word) => /\w/.test(word)).length;

/** The faults of a text: shared by the rule and by its test. */
export function faultsOf(prose) {
  const text = prose.replace(/\s+/g, ' ').trim();
  const faults = [];
  for (const [pattern, advice] of HABITS) {
    const found = pattern.exec(text);
    if (found !== null) faults.push(`"${found[0].trim()}": ${advice}`);
  }
  for (const sentence of sentencesOf(text)) {
    const words = wordsOf(sentence);
    if (words > MOST_WORDS) faults.push(`a sentence of ${words} words ("${sentence.slice(0, 40)}…"): split it`);
  }
  return faults;
}

function plainEnglish({ Syntax, RuleError, report }) {
  const check = (node) => {
    for (const fault of faultsOf(proseOf(node))) report(node, new RuleError(fault));
  };
  return { [Syntax.Paragraph]: check, [Syntax.Header]: check, [Syntax.TableCell]: check };
}

export const rules = [{ ruleId: 'plain-english', rule: plainEnglish }];
