// The first lines of the README, as people use them without installing anything else: bundled by each bundler, and run from
// TypeScript by tsx.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProject } from './npm.js';
import { outputOf, runProgram } from './run.js';

const BUNDLERS = ['esbuild', 'webpack', 'rollup', 'vite'];
const TOOLS = ['esbuild', 'webpack', 'rollup', 'vite', 'tsx'];
const PLUGINS = ['node-resolve', 'commonjs', 'json'].map((name) => `@rollup/plugin-${name}`);

/** Sends two requests after the lines. The cache answers the second. */
const CHECK = `
app.get('/', (_req, res) => void res.set('Cache-Control', 'max-age=60').send('hello'));
const server = app.listen(0, '127.0.0.1', async () => {
  const url = 'http://127.0.0.1:' + server.address().port;
  const fields = [];
  for (let i = 0; i < 2; i++) fields.push((await fetch(url)).headers.get('cache-status'));
  const ready = await fetch(url + '/readyz');
  console.log(/; hit/.test(fields[1]) && ready.status === 200 ? 'works' : fields.join() + ready.status);
  process.exit();
});
`;

/** The program: the block of the packed README, and the check. */
function programOf(project) {
  const readme = readFileSync(join(project, 'node_modules/@tooloo/resilience/README.md'), 'utf8');
  const [, lines] = /## Use it[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme);
  return lines + CHECK;
}

/** Runs the bundles and the sources on every Node, and calls `note` with each result. */
export async function checkReadme(project, tarball, nodes, note) {
  await createProject(project, process.execPath, [tarball, 'express@5', ...TOOLS, ...PLUGINS, '--ignore-scripts']);
  const program = programOf(project);
  const sources = new URL('programs/bundle.mjs', import.meta.url);
  cpSync(sources, join(project, 'bundle.mjs'));
  writeFileSync(join(project, 'readme.mjs'), program);
  for (const bundler of BUNDLERS) {
    const folder = join(project, 'bundled', bundler);
    const { fileName, fault } = await outputOf(process.execPath, ['bundle.mjs', bundler], project).then(
      (name) => ({ fileName: name }),
      (error) => ({ fault: error.message }),
    );
    for (const node of nodes) {
      note(`README, bundled by ${bundler}`, { node }, fault ?? (await runProgram(node.path, fileName, folder)));
    }
  }
  for (const type of ['module', 'commonjs']) {
    const folder = join(project, `tsx-${type}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
    writeFileSync(join(folder, 'readme.ts'), program);
    for (const node of nodes) {
      note(`README, by tsx (${type})`, { node }, await runProgram(node.path, '../node_modules/tsx/dist/cli.mjs', folder, ['readme.ts'])); // prettier-ignore
    }
  }
}
