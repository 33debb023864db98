/** The examples of the pages run. */
import { examplesOf, runExample } from '../support/document-examples.js';

test.each(['health.md', 'errors.md', 'service-client.md'].flatMap(examplesOf))('$name', (example) => {
  expect(runExample(example)).toBe('');
});
