// Prints the failed suites of a Jest run. Exits with 1 if Jest did not come to its end or no suite is named.
import { readFileSync } from 'node:fs';

const { testResults, wasInterrupted } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const failed = testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
if (wasInterrupted || failed.length === 0) process.exit(1);
console.log(failed.join('\n'));
