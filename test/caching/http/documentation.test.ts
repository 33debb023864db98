/** The examples of docs/caching.md run as they stand. */
import { examplesOf, runExample } from '../../support/document-examples.js';

test.each(examplesOf('caching.md'))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
