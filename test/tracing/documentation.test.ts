/** The examples of docs/tracing.md run as they stand. */
import { examplesOf, runExample } from '../support/document-examples.js';

test.each(examplesOf('tracing.md'))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
