/** The examples of docs/database.md run as they stand. */
import { examplesOf, runExample } from '../support/document-examples.js';

test.each(examplesOf('database.md'))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
