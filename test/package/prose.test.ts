/** The rules for plain English find the sentences that readers stumbled over, and leave plain ones alone. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** Prints the examples that the rules judge wrongly. */
const PROGRAM = `
  import { readFileSync } from 'node:fs';
  import { faultsOf } from './.ci/prose/rules.js';
  const { stumbling, plain } = JSON.parse(readFileSync('.ci/prose/examples.json', 'utf8'));
  console.log(JSON.stringify({
    missed: stumbling.filter((text) => faultsOf(text).length === 0),
    blamed: plain.filter((text) => faultsOf(text).length > 0),
  }));
`;

test('the rules catch each sentence that readers stumbled over, and no plain one', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ missed: [], blamed: [] });
});
