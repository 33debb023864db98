/** The Kubernetes manifests as `kubectl apply -k` would send them, and what the API's schemas say of them. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const ROOT = resolve(__dirname, '../..');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

/** Why they cannot be rendered here; undefined when they can. */
export const kubectlUnavailable =
  spawnSync('kubectl', ['kustomize', '--help']).status === 0 ? undefined : 'no kubectl is installed';

/** What a kustomization makes. */
export function renderManifests(folder: string): Manifest[] {
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', join(ROOT, folder)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`kubectl kustomize ${folder}: ${stderr}`);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}

/** What does not fit the schema, value by value: types, ranges, formats, what must be there. */
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
