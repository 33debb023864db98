import fc, { anyCharacter } from '../../support/fast-check.js';
import { dropFrequent, tokenize } from '../../../servers/segmentation/tokenize.js';

test.each([
  ['The Queries scan indexed TABLES.', ['query', 'scan', 'indexed', 'table']],
  ['naïve Ärger über Straßen', ['naïve', 'ärger', 'über', 'straßen']],
  ['Привет, мир! Базы данных', ['привет', 'мир', 'базы', 'данных']],
  ['東京都は日本の首都です', expect.arrayContaining(['日本', '首都'])],
  ['ﬁle ﬁle', ['file', 'file']],
  ['glass bus less is', ['glass', 'bus', 'less']],
  ['', []],
  ['🎉 — …', []],
])('%j', (text, terms) => {
  expect(tokenize(text)).toEqual(terms);
});

test('combining and precomposed accents are one', () => {
  expect(tokenize('cafe\u0301')).toEqual(tokenize('caf\u00e9'));
});

test('any text becomes lower-case words without white space, and never throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), (text) => {
      for (const term of tokenize(text)) expect(term).toMatch(/^\S+$/u);
    }),
  );
});

test('terms of most units are left out, the others stay in order; in a short talk all stay', () => {
  const animals = ['chat', 'chien', 'loup', 'chat', 'ours', 'loup', 'chat', 'cerf', 'chien', 'ours'];
  const units = animals.map((animal) => ['le', animal]);
  expect(dropFrequent(units, 0.6)).toEqual(animals.map((animal) => [animal]));
  expect(dropFrequent(units, 1)).toEqual(units);
  expect(dropFrequent(units.slice(0, 8), 0.1)).toEqual(units.slice(0, 8));
});
