import { parseWeightedList, weightOf } from '../../src/shared/weighted-list.js';

test('members, their weights and their letter case', () => {
  expect(parseWeightedList('Text/HTML;level=1, text/plain; Q=0.5 ,*/*;q = 0.1')).toEqual([
    { name: 'text/html', weight: 1 },
    { name: 'text/plain', weight: 0.5 },
    { name: '*/*', weight: 0.1 },
  ]);
});

test.each(['q=', 'q=x', 'q=2', 'q=-1', 'q=NaN'])('%s is invalid, and the member is not wanted', (weight) => {
  expect(parseWeightedList(`gzip;${weight}`)).toEqual([{ name: 'gzip', weight: 0 }]);
});

test('the most specific name decides, and of equal ones the highest weight', () => {
  const list = parseWeightedList('text/*;q=0.9, text/plain;q=0.2, text/plain;format=flowed;q=0.4, */*');
  expect(weightOf(list, ['text/plain', 'text/*', '*/*'])).toBe(0.4);
  expect(weightOf(list, ['text/html', 'text/*', '*/*'])).toBe(0.9);
  expect(weightOf(list, ['image/png'])).toBe(0);
});
