import fc, { anyCharacter } from '../../support/fast-check.js';
import { analyze } from '../../../servers/segmentation/analysis.js';
import { segmentationSettings } from '../../../servers/segmentation/settings.js';
import { cluster } from '../../../servers/segmentation/cohorts.js';
import { sentencesOf, unitsOfMessages, unitsOfText } from '../../../servers/segmentation/conversation.js';
import { mostTypical, topicVectors, topTerms } from '../../../servers/segmentation/keywords.js';
import { SAMPLE_CONVERSATION } from '../../../servers/segmentation/sample-conversation.js';
import { cosine, countTerms } from '../../../servers/segmentation/vectors.js';

const SETTINGS = segmentationSettings.parse({});

test('the sample conversation changes its subject twice', () => {
  const { segments, boundaries } = analyze(unitsOfMessages(SAMPLE_CONVERSATION), SETTINGS);
  expect(boundaries).toEqual([5, 10]);
  const keywords = segments.map((segment) => segment.keywords.map(({ term }) => term));
  expect(keywords[0]).toEqual(expect.arrayContaining(['query', 'index']));
  expect(keywords[1]).toEqual(expect.arrayContaining(['hut', 'lake']));
  expect(keywords[2]).toEqual(expect.arrayContaining(['backup', 'invoice']));
});

test('the same conversation as running text is cut near the same places', () => {
  const text = SAMPLE_CONVERSATION.map(({ content }) => content).join(' ');
  const { segments } = analyze(unitsOfText(text, 10), SETTINGS);
  expect(segments[0]!.keywords.map(({ term }) => term)).toEqual(expect.arrayContaining(['query', 'index']));
  expect(segments.length).toBeGreaterThan(1);
});

describe('for every conversation', () => {
  const word = fc.constantFrom('cat', 'dog', 'disk', 'tape', 'lake', 'the', '', '日本語');
  const messages = fc.array(
    fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => ({ content: words.join(' ') })),
    { maxLength: 40 },
  );

  test('segments cover every message once, in order', () => {
    fc.assert(
      fc.property(messages, (given) => {
        const { segments, boundaries } = analyze(unitsOfMessages(given), SETTINGS);
        let next = 0;
        for (const { from, to } of segments) {
          expect(from).toBe(next);
          expect(to).toBeGreaterThanOrEqual(from);
          next = to + 1;
        }
        expect(next).toBe(given.length);
        expect(segments.map(({ from }) => from).slice(1)).toEqual(boundaries);
      }),
    );
  });

  test('units of a running text keep every character and every sentence', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('One two. ', 'Three! ', 'four five six seven. ', 'acht '), { maxLength: 30 }),
        (parts) => {
          const text = parts.join('');
          const units = unitsOfText(text, 5);
          expect(units.map((unit) => unit.text).join('')).toBe(text);
          units.forEach((unit, i) => expect(unit.first).toBe(i === 0 ? 0 : units[i - 1]!.last + 1));
        },
      ),
    );
  });
});

test('sentences end where their script ends them', () => {
  expect(sentencesOf('Pi is 3.14. Really? "Yes." Fine…\nNext')).toEqual([
    'Pi is 3.14. ',
    'Really? ',
    '"Yes." ',
    'Fine…\n',
    'Next',
  ]);
  expect(sentencesOf('東京です。大阪です！？「はい。」終')).toEqual(['東京です。', '大阪です！？', '「はい。」終']);
  expect(sentencesOf('one\n \ntwo\nstill two')).toEqual(['one\n \n', 'two\nstill two']);
  expect(sentencesOf('')).toEqual([]);
  fc.assert(fc.property(fc.string({ unit: anyCharacter }), (text) => sentencesOf(text).join('') === text));
});

test.each([
  ['full stops', '.'.repeat(200_000)],
  ['blank lines', '\n'.repeat(200_000)],
  ['spaces', `${' '.repeat(100_000)}x${' '.repeat(99_000)}`],
  ['ideographs', '東京は日本の首都です。'.repeat(18_000)],
  ['one run of ideographs', '東'.repeat(200_000)],
  ['one word', 'a'.repeat(200_000)],
  ['combining marks', 'e\u0301'.repeat(100_000)],
])('no text the service accepts takes long: %s', (_name, text) => {
  expect(analyze(unitsOfText(text, 5), SETTINGS).segments.length).toBeLessThanOrEqual(200_000);
});

test('a summary is one line of at most 280 characters', () => {
  const content = `${'word '.repeat(200)}\n\n😀`;
  const { segments } = analyze(unitsOfMessages([{ content }]), SETTINGS);
  expect(segments[0]!.summary).not.toContain('\n');
  expect([...segments[0]!.summary]).toHaveLength(280);
});

describe('vectors and keywords', () => {
  test('cosine: equal is 1, nothing in common 0, empty 0', () => {
    expect(cosine(countTerms(['a', 'b']), countTerms(['b', 'a']))).toBeCloseTo(1, 12);
    expect(cosine(countTerms(['a']), countTerms(['b']))).toBe(0);
    expect(cosine(countTerms([]), countTerms(['b']))).toBe(0);
  });
  test('a term that every segment has weighs less than one that a single segment has', () => {
    const [first] = topicVectors([
      ['shared', 'own'],
      ['shared', 'other'],
    ]);
    expect(first!.get('own')).toBeGreaterThan(first!.get('shared')!);
  });
  test('top terms: heaviest first, ties by name, the first weighs 1', () => {
    const top = topTerms(new Map(Object.entries({ b: 2, a: 2, c: 4 })), 2);
    expect(top).toEqual([
      { term: 'c', weight: 1 },
      { term: 'a', weight: 0.5 },
    ]);
  });
  test('without units there is no most typical unit', () => {
    expect(mostTypical([], new Map())).toBe(-1);
  });
});

describe('cohorts', () => {
  const vector = (...terms: string[]) => countTerms(terms);
  test('joins what is alike and leaves the rest alone', () => {
    const groups = cluster(
      [vector('a', 'b'), vector('x', 'y'), vector('a', 'c'), vector('x', 'y', 'z'), vector('q')],
      0.4,
    );
    expect(groups).toEqual([[0, 2], [1, 3], [4]]);
  });
  test('every analysis is in exactly one cohort, at any threshold', () => {
    const vectors = fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd')).map(countTerms), { maxLength: 15 });
    fc.assert(
      fc.property(vectors, fc.double({ min: 0.01, max: 1, noNaN: true }), (given, threshold) => {
        const members = cluster(given, threshold).flat();
        expect(members.sort((a, b) => a - b)).toEqual(given.map((_, i) => i));
      }),
    );
  });
});
