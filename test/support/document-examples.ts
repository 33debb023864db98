/** The TypeScript examples of a page of documentation, each run in a process of its own. */
import { buildSync, transformSync } from 'esbuild';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(__dirname, '../..');

/** Milliseconds that an example may take: more than any needs on a busy machine. */
const TIMEOUT = 30_000;

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const packages = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
/** Every entry of the package by the name users import, with its source. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry): [name: string, source: string] => [
    join(manifest.name, entry),
    join(root, 'src', `${entry === '.' ? 'index' : entry}.ts`),
  ]);

export interface Example {
  /** 'docs/health.md:12', the line the example starts on. */
  readonly name: string;
  readonly code: string;
  /** False for an example that is compiled but not run, marked ```ts no-run. */
  readonly isWhole: boolean;
}

/** The ```ts blocks of a page. */
export function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```ts( no-run)?\n([^]*?)```/g)].map((match) => ({
    name: `${page}:${text.slice(0, match.index).split('\n').length}`,
    code: match[2]!,
    isWhole: match[1] === undefined,
  }));
}

/**
 * Builds every entry of the package once, into a folder from which its dependencies can be found. The examples share the
 * result, because bundling it for each of them would take longer than running them.
 */
export class ExampleRunner {
  readonly #folder = mkdtempSync(join(root, 'node_modules', '.examples-'));

  constructor() {
    buildSync({
      entryPoints: Object.fromEntries(entries.map(([, source]) => [basename(source, '.ts'), source])),
      outdir: this.#folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      external: packages,
      logLevel: 'silent',
    });
  }

  /** Runs the examples, as many at a time as there are processors, each from the first to the last. The promises do not reject. */
  start(examples: readonly Example[]): ReadonlyMap<Example, Promise<string>> {
    const waiting = [...examples];
    const settlers = new Map<Example, (output: string) => void>();
    const outputs = new Map(
      examples.map((example) => [example, new Promise<string>((resolve) => settlers.set(example, resolve))]),
    );
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        settlers.get(next)!(await this.#run(next).catch(String));
    };
    for (let lanes = availableParallelism(); lanes > 0; lanes--) void lane();
    return outputs;
  }

  /** Runs the example to its end, and returns its error output; an empty string on success. */
  async #run({ code }: Example): Promise<string> {
    const { code: javascript } = transformSync(`${code}\nprocess.exit(0);`, { loader: 'ts', format: 'esm' });
    const input = entries.reduce(
      (text, [name, source]) => text.replaceAll(`"${name}"`, JSON.stringify(this.#built(source))),
      javascript,
    );
    const folder = mkdtempSync(join(tmpdir(), 'example-')); // what an example writes goes with it
    try {
      return await outputOf(input, { ...process.env, TMPDIR: folder });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #built(source: string): string {
    return pathToFileURL(join(this.#folder, `${basename(source, '.ts')}.mjs`)).href;
  }
}

/** Runs an ES module, and settles with its error output; with an empty string on success. */
function outputOf(module: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-'], {
    cwd: root,
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: TIMEOUT,
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => undefined); // it ended before it read all: its exit code is the result
  child.stdin.end(module);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0 ? '' : `exit ${code}: ${errors}`));
  });
}
