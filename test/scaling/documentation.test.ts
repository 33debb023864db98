/** The examples of docs/scaling.md run as they stand. */
import { examplesOf, runExample } from '../support/document-examples.js';

test.each(examplesOf('scaling.md'))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
