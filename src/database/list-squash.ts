/**
 * Lists of any length become equal: each form of item stays once in `in (…)`, `array[…]` and the rows of `values`,
 * nested lists too. The items of a row or of a function call keep their number, because it belongs to the statement.
 */

/** One word of a fingerprint; `?` stands for a value. */
export type Piece = string;

/** Constants that stand where a value stands. */
const CONSTANTS: ReadonlySet<Piece> = new Set(['null', 'true', 'false', 'default']);
const QUERY_STARTS: ReadonlySet<Piece> = new Set(['select', 'with', 'values', 'table', 'insert', 'update', 'delete']);
const CLOSING: Readonly<Record<Piece, Piece>> = { '(': ')', '[': ']' };

/** A list being read. The rows of `values` have no bracket around them all: they end where no further row follows. */
class OpenList {
  readonly opening: '(' | '[' | 'values';
  /** The words before the list. */
  readonly before: Piece[];
  /** The items so far, each form once. */
  readonly items: Piece[] = [];
  readonly #forms = new Set<string>();
  item: Piece[] = [];
  /** Brackets open within the item. */
  depth = 0;

  constructor(opening: '(' | '[' | 'values', before: Piece[]) {
    this.opening = opening;
    this.before = before;
  }

  endItem(): void {
    const form = this.item.join(' ');
    if (this.item.length > 0 && !this.#forms.has(form)) {
      this.#forms.add(form);
      if (this.items.length > 0) this.items.push(',');
      for (const piece of this.item) this.items.push(piece);
    }
    this.item = [];
  }
}

class Squasher {
  readonly #pieces: readonly Piece[];
  readonly #lists: OpenList[] = [];
  /** Where the next piece goes: the statement, or the item of the innermost list. */
  #target: Piece[] = [];

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  read(): void {
    for (let i = 0; i < this.#pieces.length; i++) this.#take(this.#pieces[i]!, i);
  }

  /** Whether the pieces end within a list, or after a row that others may follow. */
  get isInList(): boolean {
    return this.#lists.length > 0;
  }

  /** @param isCut whether the last items are cut, and so left out, unless they are all there is of their list */
  end(isCut: boolean): Piece[] {
    for (let list = this.#lists.at(-1); list !== undefined; list = this.#lists.at(-1)) {
      const isWhole = list.opening === 'values' && list.depth === 0;
      if (isCut && !isWhole && list.items.length > 0) list.item = [];
      this.#close();
    }
    return this.#target;
  }

  #take(piece: Piece, at: number): void {
    this.#endRows(piece, at);
    const list = this.#lists.at(-1);
    const isBracket = piece === '(' || piece === '[';
    if (isBracket && this.#beginsList(piece, at)) {
      this.#target.push(piece);
      this.#open(piece);
    } else if (list?.depth === 0 && piece === CLOSING[list.opening]) {
      this.#close();
      this.#target.push(piece);
    } else if (list?.depth === 0 && piece === ',') {
      list.endItem();
      this.#target = list.item;
    } else {
      if (list !== undefined) list.depth += isBracket ? 1 : (piece === ')' || piece === ']') && list.depth > 0 ? -1 : 0;
      this.#target.push(list !== undefined && CONSTANTS.has(piece) && this.#isItem(at) ? '?' : piece);
    }
    if (piece === 'values' && this.#isRow(at + 1)) this.#open('values');
  }

  /** A constant between commas or brackets; one after `is` or a comparison stays. */
  #isItem(at: number): boolean {
    const [before, after] = [this.#pieces[at - 1]!, this.#pieces[at + 1] ?? ')'];
    return (before === ',' || before === '(' || before === '[') && [',', ')', ']', '::'].includes(after);
  }

  #isRow(at: number): boolean {
    return this.#pieces[at] === '(' || (this.#pieces[at] === 'row' && this.#pieces[at + 1] === '(');
  }

  #beginsList(piece: '(' | '[', at: number): boolean {
    const before = this.#pieces[at - 1];
    if (piece === '(') return before === 'in' && !QUERY_STARTS.has(this.#pieces[at + 1] ?? '');
    return before === 'array' || this.#isNestedArray(at);
  }

  /** `array[[1, 2], [3, 4]]`: the inner ones are lists as well. */
  #isNestedArray(at: number): boolean {
    const list = this.#lists.at(-1);
    return list?.opening === '[' && list.depth === 0 && ['[', ','].includes(this.#pieces[at - 1]!);
  }

  /** The rows of `values` end before anything but a comma and a further row. */
  #endRows(piece: Piece, at: number): void {
    let list = this.#lists.at(-1);
    while (list?.opening === 'values' && list.depth === 0 && list.item.length > 0) {
      const isGoingOn = piece === ',' ? this.#isRow(at + 1) : piece === '(' && list.item.length === 1;
      if (isGoingOn) return;
      this.#close();
      list = this.#lists.at(-1);
    }
  }

  #open(opening: '(' | '[' | 'values'): void {
    const list = new OpenList(opening, this.#target);
    this.#lists.push(list);
    this.#target = list.item;
  }

  #close(): void {
    const list = this.#lists.pop()!;
    list.endItem();
    this.#target = list.before;
    for (const piece of list.items) this.#target.push(piece);
  }
}

/** The pieces of a statement with each list reduced to the forms its items have. */
export function squashLists(pieces: readonly Piece[]): Piece[] {
  const squasher = new Squasher(pieces);
  squasher.read();
  return squasher.end(false);
}

/** The same for the beginning of a statement that was cut, and whether it was cut within a list. */
export function squashCut(pieces: readonly Piece[]): { readonly pieces: Piece[]; readonly isInList: boolean } {
  const squasher = new Squasher(pieces);
  squasher.read();
  const { isInList } = squasher;
  return { pieces: squasher.end(true), isInList };
}
