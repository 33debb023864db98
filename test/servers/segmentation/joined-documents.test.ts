/** Joined documents are separated again, measured by Pk (Beeferman 1999) on corpora of varied topics. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { analyze } from '../../../servers/segmentation/analysis.js';
import { sentencesOf, unitsOfMessages, unitsOfText } from '../../../servers/segmentation/conversation.js';
import { segmentationSettings } from '../../../servers/segmentation/settings.js';
import { seededRandom } from '../../support/seeded-random.js';

const SETTINGS = segmentationSettings.parse({});
const ROUNDS = 8;

/** A blank line separates the documents. */
const corpus = (name: string): string[][] =>
  readFileSync(join(__dirname, 'corpora', `${name}.txt`), 'utf8')
    .trim()
    .split('\n\n')
    .map((text) => sentencesOf(text).map((sentence) => `${sentence.trim()} `));

/** Pk: the share of sentence pairs, half a segment apart, that are wrongly put into the same or different documents. */
function pk(sentences: number, reference: readonly number[], found: readonly number[]): number {
  const segment = (boundaries: readonly number[], at: number): number => boundaries.filter((one) => one <= at).length;
  const reach = Math.max(2, Math.round(sentences / (reference.length + 1) / 2));
  const pairs = Array.from({ length: sentences - reach }, (_, i) => [i, i + reach] as const);
  const isOne = (boundaries: readonly number[], [a, b]: readonly [number, number]): boolean =>
    segment(boundaries, a) === segment(boundaries, b);
  return pairs.filter((pair) => isOne(reference, pair) !== isOne(found, pair)).length / pairs.length;
}

const corpora = [
  ['first', corpus('first')],
  ['second', corpus('second')],
  ['both', [...corpus('first'), ...corpus('second')]],
] as const;

describe.each(corpora)('corpus %s', (_name, documents) => {
  test.each([2, 3, 5, 10])('%i documents', (size) => {
    const random = seededRandom(size);
    const sums = { text: 0, messages: 0, none: 0, every: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const chosen = documents
        .map((document) => ({ document, at: random() }))
        .sort((a, b) => a.at - b.at)
        .slice(0, size)
        .map(({ document }) => document);
      const sentences = chosen.flat();
      const starts = chosen.map((_, i) => chosen.slice(0, i).flat().length).slice(1);
      const add = (kind: keyof typeof sums, found: readonly number[]): void => {
        sums[kind] += pk(sentences.length, starts, found) / ROUNDS;
      };
      add('text', analyze(unitsOfText(sentences.join(''), SETTINGS.unitSize), SETTINGS).boundaries);
      add('messages', analyze(unitsOfMessages(sentences.map((content) => ({ content }))), SETTINGS).boundaries);
      add('none', []);
      add(
        'every',
        sentences.map((_, i) => i),
      );
    }
    const limit = Math.min(sums.none, sums.every, 0.25);
    expect(sums.text).toBeLessThanOrEqual(limit);
    expect(sums.messages).toBeLessThanOrEqual(limit);
  });

  test('a single document is left whole', () => {
    const cuts = documents.map((document) => analyze(unitsOfText(document.join(''), 5), SETTINGS).boundaries.length);
    expect(cuts.filter((count) => count > 0).length).toBeLessThanOrEqual(documents.length / 10);
  });
});
