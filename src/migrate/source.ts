/** One file to be rewritten: its syntax, the names it has of a package, and the changes to its text. */
import type * as TypeScript from 'typescript';
import type { CallExpression, Expression, NewExpression, Node, ObjectLiteralExpression, SourceFile } from 'typescript';

/** The TypeScript compiler. */
export type Compiler = typeof TypeScript;

/** Something that was not rewritten, or that behaves differently now. */
export interface Note {
  readonly line: number;
  readonly message: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A name that the file gives to an export of the package: `default`, `*` for all of it, or the name of the export. */
export interface Binding {
  readonly local: string;
  readonly imported: string;
}

/** `holder.method(…)`. */
export interface MethodCall {
  readonly call: CallExpression;
  readonly holder: string;
  readonly method: string;
}

/**
 * The text of one file with the edits to it. A migration reads the calls of a package and replaces them.
 *
 * @example
 * import type { Migration } from '@tooloo/resilience/migrate';
 *
 * export const rewrite: Migration['rewrite'] = (source, locals, use) => {
 *   for (const call of source.callsOf(locals.of('limit'))) source.replace(call.expression, use('rateLimit'));
 * };
 */
export class Source {
  readonly ts: Compiler;
  readonly file: SourceFile;
  readonly text: string;
  readonly notes: Note[] = [];
  readonly #edits: Edit[] = [];

  constructor(ts: Compiler, name: string, text: string) {
    this.ts = ts;
    this.text = text;
    this.file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  }

  /** The text of a node as it was written. */
  textOf(node: Node): string {
    return node.getText(this.file);
  }

  note(node: Node, message: string): void {
    this.notes.push({ line: this.file.getLineAndCharacterOfPosition(node.getStart(this.file)).line + 1, message });
  }

  replace(node: Node, text: string): void {
    this.#edits.push({ start: node.getStart(this.file), end: node.getEnd(), text });
  }

  /** Removes a statement with its line. */
  remove(statement: Node): void {
    const end = statement.getEnd();
    const line = this.text[end] === '\n' ? end + 1 : end;
    this.#edits.push({ start: statement.getStart(this.file), end: line, text: '' });
  }

  insertBefore(node: Node, text: string): void {
    const start = node.getStart(this.file);
    this.#edits.push({ start, end: start, text });
  }

  get isChanged(): boolean {
    return this.#edits.length > 0;
  }

  /** The text with its changes. A change inside a larger one is part of that. */
  result(): string {
    const edits = [...this.#edits].sort((a, b) => a.start - b.start || b.end - a.end);
    let text = '';
    let at = 0;
    for (const edit of edits) {
      if (edit.start < at) continue;
      text += this.text.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    return text + this.text.slice(at);
  }

  /** Every node of a kind, in the order of the text. */
  *all<T extends Node>(is: (node: Node) => node is T, from: Node = this.file): Generator<T> {
    const found: T[] = [];
    const visit = (node: Node): void => {
      if (is(node)) found.push(node);
      this.ts.forEachChild(node, visit);
    };
    visit(from);
    yield* found;
  }

  /** Calls and constructions of a name, or of a property of a name: `limit()`, `new Limiter()`, `proxy.create()`. */
  *callsOf(names: ReadonlySet<string>): Generator<CallExpression | NewExpression> {
    const { ts } = this;
    const isCall = (node: Node): node is CallExpression | NewExpression =>
      ts.isCallExpression(node) || ts.isNewExpression(node);
    for (const call of this.all(isCall)) if (names.has(this.textOf(call.expression))) yield call;
  }

  /** The name to call: as the file has it, or, for a property of a namespace, the name that `use` imports. */
  calleeOf(call: CallExpression | NewExpression, name: string, use: (name: string) => string): string {
    return this.ts.isIdentifier(call.expression) ? call.expression.text : use(name);
  }

  /** The name or place that the result of an expression is kept in: `breaker`, `this.breaker`. */
  holderOf({ parent }: Node): string | undefined {
    const { ts } = this;
    if (ts.isAwaitExpression(parent) || ts.isParenthesizedExpression(parent)) return this.holderOf(parent);
    if (ts.isVariableDeclaration(parent)) return this.textOf(parent.name);
    if (ts.isPropertyDeclaration(parent)) return `this.${this.textOf(parent.name)}`;
    if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
      return this.textOf(parent.left);
    }
    return undefined;
  }

  /** Calls of a method of what is kept in one of these places. */
  *methodCalls(holders: ReadonlySet<string>): Generator<MethodCall> {
    const { ts } = this;
    for (const call of this.all(ts.isCallExpression)) {
      const { expression } = call;
      if (!ts.isPropertyAccessExpression(expression) || !holders.has(this.textOf(expression.expression))) continue;
      yield { call, holder: this.textOf(expression.expression), method: expression.name.text };
    }
  }

  /** An argument that is written as an object; undefined for one that is a variable. */
  objectOf(expression: Expression | undefined): ObjectLiteralExpression | undefined {
    return expression !== undefined && this.ts.isObjectLiteralExpression(expression) ? expression : undefined;
  }

  /** The value of a number, or of an expression of numbers, such as `15 * 60 * 1000`. */
  numberOf(expression: Expression): number | undefined {
    const { ts } = this;
    if (ts.isNumericLiteral(expression)) return Number(expression.text);
    if (ts.isParenthesizedExpression(expression)) return this.numberOf(expression.expression);
    if (!ts.isBinaryExpression(expression)) return undefined;
    const [left, right] = [this.numberOf(expression.left), this.numberOf(expression.right)];
    if (left === undefined || right === undefined) return undefined;
    if (expression.operatorToken.kind === ts.SyntaxKind.AsteriskToken) return left * right;
    if (expression.operatorToken.kind === ts.SyntaxKind.SlashToken) return left / right;
    if (expression.operatorToken.kind === ts.SyntaxKind.PlusToken) return left + right;
    return undefined;
  }
}
