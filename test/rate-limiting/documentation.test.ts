/** The examples of docs/rate-limiting.md run as they stand. */
import { examplesOf, runExample } from '../support/document-examples.js';

test.each(examplesOf('rate-limiting.md'))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
