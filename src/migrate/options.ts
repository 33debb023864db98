/** The options of a package, each with what it becomes here, and the rewriting of an object of them. */
import type { Expression, ObjectLiteralExpression } from 'typescript';
import type { Source } from './source.js';

/**
 * The counterpart of an option. `same`: the same meaning, under the name in `as` or its own. `different`: another form or
 * meaning, which `how` explains. `none`: no counterpart, and `how` says why.
 */
export type Row =
  | { readonly verdict: 'same'; readonly as?: string; readonly how?: string }
  | { readonly verdict: 'different'; readonly how: string; readonly convert?: Convert }
  | { readonly verdict: 'none'; readonly how: string };

/** Properties of the new object for one value; undefined if the value has to be converted by hand. */
export type Convert = (value: Expression, source: Source) => readonly string[] | undefined;

/** The rows of a table, by option. */
export type Rows = Readonly<Record<string, Row>>;

/** The properties of an object as they were written. */
export type Values = ReadonlyMap<string, Expression>;

export interface Converted {
  readonly properties: string[];
  readonly values: Values;
}

/** Options that are not written as an object have to be converted by hand. */
function readProperties(source: Source, object: ObjectLiteralExpression): Values {
  const { ts } = source;
  const values = new Map<string, Expression>();
  for (const property of object.properties) {
    const name = property.name === undefined ? '' : source.textOf(property.name).replaceAll(/['"]/g, '');
    if (ts.isPropertyAssignment(property)) values.set(name, property.initializer);
    else if (ts.isShorthandPropertyAssignment(property)) values.set(name, property.name);
    else if (ts.isMethodDeclaration(property)) values.set(name, property as unknown as Expression);
    else source.note(property, `convert by hand: ${source.textOf(property)}`);
  }
  return values;
}

/** `name: value`; short where they are the same, and a method under another name. */
export function property(source: Source, name: string, value: Expression): string {
  const { ts } = source;
  if (ts.isMethodDeclaration(value)) {
    const isAsync = value.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) === true;
    const text = source.textOf(value);
    return `${isAsync ? 'async ' : ''}${name}${text.slice(text.indexOf('('))}`;
  }
  const text = source.textOf(value);
  return text === name ? name : `${name}: ${text}`;
}

/**
 * Rewrites the options of a call by their rows. Options without a row or without a counterpart become notes.
 *
 * @param skip options that the caller converts together
 */
export function convertOptions(
  source: Source,
  object: ObjectLiteralExpression | undefined,
  rows: Rows,
  skip: readonly string[] = [],
): Converted {
  const properties: string[] = [];
  if (object === undefined) return { properties, values: new Map() };
  const values = readProperties(source, object);
  for (const [name, value] of values) {
    const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
    if (skip.includes(name)) continue;
    if (row === undefined) source.note(value, `${name}: unknown option`);
    else if (row.verdict === 'same') properties.push(property(source, row.as ?? name, value));
    else if (row.verdict === 'none') source.note(value, `${name}: no counterpart. ${row.how}`);
    else {
      const converted = row.convert?.(value, source);
      if (converted === undefined) source.note(value, `${name}: convert by hand. ${row.how}`);
      else properties.push(...converted);
    }
  }
  return { properties, values };
}

export const objectText = (properties: readonly string[]): string =>
  properties.length === 0 ? '' : `{ ${properties.join(', ')} }`;
