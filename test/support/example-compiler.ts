/** Compiles the TypeScript examples of the pages and of the docstrings as a user's strict project would. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import type { Example } from './document-examples.js';

const root = join(__dirname, '../..');
const NAMES = join(root, '.ci/example-names.d.ts');

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** The sources of every entry, by the name that users import. */
const paths = Object.fromEntries(
  Object.keys(manifest.exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => [join(manifest.name, entry), [join(root, 'src', `${entry === '.' ? 'index' : entry}.ts`)]]),
);

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  esModuleInterop: true,
  skipLibCheck: true,
  noEmit: true,
  paths,
};

/** A compiler host that also has these files, which are not on the disk. */
function hostWith(files: ReadonlyMap<string, string>): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS);
  return {
    ...host,
    fileExists: (path) => files.has(path) || host.fileExists(path),
    readFile: (path) => files.get(path) ?? host.readFile(path),
    getSourceFile: (path, options) => {
      const text = files.get(path) ?? host.readFile(path);
      return text === undefined ? undefined : ts.createSourceFile(path, text, options);
    },
  };
}

/** Every fault, as `docs/health.md:12: message`, the line being that of the page. One program checks all examples. */
export function compileExamples(examples: readonly Example[]): string[] {
  // A module each, so that they do not see each other's names. The folder is that of the kit, whose packages they import.
  const files = new Map(examples.map(({ code }, i) => [join(root, `example-${i}.mts`), `${code}\nexport {};\n`]));
  const program = ts.createProgram([NAMES, ...files.keys()], OPTIONS, hostWith(files));
  return [...files.keys()].flatMap((path, i) => {
    const file = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return found.map((diagnostic) => faultOf(examples[i]!, diagnostic));
  });
}

function faultOf({ name }: Example, { file, start = 0, messageText }: ts.Diagnostic): string {
  const [, page = name, first = '0'] = /^(.*):(\d+)$/.exec(name) ?? [];
  const line = file?.getLineAndCharacterOfPosition(start).line ?? 0;
  return `${page}:${Number(first) + 1 + line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
}
