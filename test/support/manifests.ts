/** The Kubernetes manifests as `kubectl apply -k` would send them, and what the API's schemas say of them. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const ROOT = resolve(__dirname, '../..');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

/** Why nothing can be rendered here; undefined when it can. */
export const kubectlUnavailable =
  spawnSync('kubectl', ['kustomize', '--help']).status === 0 ? undefined : 'no kubectl is installed';

/** The output of kubectl for the kustomization, and the state of the files it was made from. */
const RENDERED = join(__dirname, 'manifests.rendered');

/** Renders a kustomization with kubectl. */
export function renderManifests(folder: string): string {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', join(ROOT, folder)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`kubectl kustomize ${folder}: ${stderr}`);
  return stdout;
}

/** A digest over all files of a folder: their paths and what is in them. */
function digestOf(folder: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(`${relative(ROOT, file)}\0${readFileSync(file, 'utf8')}\0`);
  return hash.digest('hex');
}

/** The first line of what was rendered: the state of the files it was rendered from. */
export const renderedFrom = (folder: string): string => `# kubectl kustomize ${folder}, of ${digestOf(folder)}`;

/** The manifests as they were rendered last. */
export function renderedManifests(): string {
  return readFileSync(RENDERED, 'utf8');
}

/** Renders anew and keeps it. */
export function updateManifests(folder: string): void {
  writeFileSync(RENDERED, `${renderedFrom(folder)}\n${renderManifests(folder)}`);
}

export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** One error per value that does not fit the schema: types, ranges, formats and required properties. */
export function schemaErrors(manifests: readonly Manifest[]): string[] {
  return manifests.flatMap((manifest) => {
    const { apiVersion, kind, metadata } = manifest;
    const models = jest.requireActual<Record<string, new (data: object) => { validate(): void }>>(
      `kubernetes-models/${apiVersion}`,
    );
    try {
      new models[kind]!(manifest).validate();
      return [];
    } catch (error) {
      return [`${kind} ${metadata.name}: ${(error as Error).message}`];
    }
  });
}

/** What the API does not know: the schema lets further fields pass, so a wrong name would go unnoticed. */
export function typeErrors(manifests: readonly Manifest[]): string[] {
  const versions = new Map(manifests.map(({ kind, apiVersion }) => [kind, apiVersion]));
  const imports = [...versions].map(
    ([kind, version]) => `import type { I${kind} } from 'kubernetes-models/${version}';`,
  );
  const values = manifests.map(
    (manifest, i) => `export const manifest${i}: I${manifest.kind} = ${JSON.stringify(manifest)};`,
  );
  return compile([...imports, ...values].join('\n'));
}

/** What the compiler says of a program that stands nowhere but here. */
function compile(source: string): string[] {
  const file = join(ROOT, 'test/manifests-as-typescript.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
  };
  const host = ts.createCompilerHost(options);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) =>
    name === file ? ts.createSourceFile(name, source, version) : getSourceFile(name, version, ...rest);
  const diagnostics = ts.getPreEmitDiagnostics(ts.createProgram([file], options, host));
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
