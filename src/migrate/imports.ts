/** The imports of a package in a file, and their replacement by those of this one. */
import type { BindingName, ImportDeclaration, Node, VariableStatement } from 'typescript';
import type { Binding, Source } from './source.js';

/** A statement that imports the package, in ES modules or CommonJS. */
interface ImportStatement {
  readonly statement: Node;
  readonly bindings: readonly Binding[];
  readonly isRequire: boolean;
}

function bindingsOfImport({ ts }: Source, { importClause }: ImportDeclaration): Binding[] {
  if (importClause === undefined) return [];
  const { name, namedBindings } = importClause;
  const bindings: Binding[] = name === undefined ? [] : [{ local: name.text, imported: 'default' }];
  if (namedBindings === undefined) return bindings;
  if (ts.isNamespaceImport(namedBindings)) return [...bindings, { local: namedBindings.name.text, imported: '*' }];
  const named = namedBindings.elements.map(({ name: local, propertyName }) => ({
    local: local.text,
    imported: (propertyName ?? local).text,
  }));
  return [...bindings, ...named];
}

function bindingsOfName(source: Source, name: BindingName, property: string | undefined): Binding[] {
  const { ts } = source;
  if (ts.isIdentifier(name)) return [{ local: name.text, imported: property ?? 'default' }];
  if (!ts.isObjectBindingPattern(name)) return [];
  return name.elements.map((element) => ({
    local: source.textOf(element.name),
    imported: source.textOf(element.propertyName ?? element.name),
  }));
}

/** `const x = require('package')`, `const { x } = require('package')`, `const x = require('package').y`. */
function requireIn(source: Source, statement: VariableStatement, name: string): Binding[] {
  const { ts } = source;
  const [declaration, ...others] = statement.declarationList.declarations;
  if (declaration?.initializer === undefined || others.length > 0) return [];
  let { initializer } = declaration;
  let property: string | undefined;
  if (ts.isPropertyAccessExpression(initializer)) {
    property = initializer.name.text;
    initializer = initializer.expression;
  }
  if (!ts.isCallExpression(initializer) || source.textOf(initializer.expression) !== 'require') return [];
  const [specifier] = initializer.arguments;
  if (specifier === undefined || !ts.isStringLiteral(specifier) || specifier.text !== name) return [];
  return bindingsOfName(source, declaration.name, property);
}

/** The statements that import the package. */
export function importsOf(source: Source, name: string): readonly ImportStatement[] {
  const { ts } = source;
  return source.file.statements.flatMap((statement): ImportStatement[] => {
    if (ts.isImportDeclaration(statement) && ts.isStringLiteral(statement.moduleSpecifier)) {
      if (statement.moduleSpecifier.text !== name) return [];
      return [{ statement, bindings: bindingsOfImport(source, statement), isRequire: false }];
    }
    if (!ts.isVariableStatement(statement)) return [];
    const bindings = requireIn(source, statement, name);
    return bindings.length === 0 ? [] : [{ statement, bindings, isRequire: true }];
  });
}

/** The import of these names, or the same with `require`. */
function importText(names: Iterable<readonly [local: string, name: string]>, from: string, isRequire: boolean): string {
  const parts = [...names].map(([local, name]) =>
    local === name ? name : `${name}${isRequire ? ': ' : ' as '}${local}`,
  );
  const list = `{ ${parts.join(', ')} }`;
  return isRequire ? `const ${list} = require('${from}')` : `import ${list} from '${from}'`;
}

/** The rest of a statement that imports more than was replaced. */
function keptText(bindings: readonly Binding[], peer: string, isRequire: boolean): string[] {
  const whole = bindings.filter(({ imported }) => imported === '*' || imported === 'default');
  const named = bindings.filter((one) => !whole.includes(one)).map(({ local, imported }) => [local, imported] as const);
  return [
    ...whole.map(({ local, imported }) => {
      if (isRequire) return `const ${local} = require('${peer}')`;
      return `import ${imported === '*' ? `* as ${local}` : local} from '${peer}'`;
    }),
    ...(named.length > 0 ? [importText(named, peer, isRequire)] : []),
  ];
}

/** Where the rewritten code has its names from: by entry of this package ('' is the main one), by local name. */
export type Used = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Replaces the imports of the package by those of this one. Names that the rewritten code still uses stay imported.
 *
 * @param isUsed whether the rewritten code has this name
 * @param used the imports that it needs from this package
 */
export function replaceImports(
  source: Source,
  peer: string,
  statements: readonly ImportStatement[],
  isUsed: (local: string) => boolean,
  used: Used,
): void {
  const taken = new Set([...used.values()].flatMap((names) => [...names.keys()]));
  statements.forEach(({ statement, bindings, isRequire }, index) => {
    const kept = bindings.filter(({ local }) => !taken.has(local) && isUsed(local));
    for (const { local } of kept)
      source.note(statement, `${local}: still imported from ${peer}, because it is still used`);
    const own = [...used].map(([entry, names]) =>
      importText(names, `@tooloo/resilience${entry === '' ? '' : `/${entry}`}`, isRequire),
    );
    const lines = [...(index === 0 ? own : []), ...keptText(kept, peer, isRequire)];
    const semicolon = source.textOf(statement).endsWith(';') ? ';' : '';
    if (lines.length === 0) source.remove(statement);
    else source.replace(statement, lines.map((line) => line + semicolon).join('\n'));
  });
}
