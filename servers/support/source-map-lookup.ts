/**
 * Finds one position in a source map (ECMA-426) without decoding the map into objects. For the bundles of the fleet,
 * Node's own `SourceMap` needs more than 60 MB, and this needs the text of the map.
 */

export interface SourceMapText {
  readonly sources: readonly string[];
  readonly mappings: string;
}

export interface SourcePosition {
  readonly source: string;
  /** Begin at 1. */
  readonly line: number;
  readonly column: number;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGIT_OF = new Int8Array(128);
for (let i = 0; i < DIGITS.length; i++) DIGIT_OF[DIGITS.charCodeAt(i)] = i;

const LINE_END = 59; // ;
const SEGMENT_END = 44; // ,

/**
 * The source position of the segment that contains a generated position.
 *
 * @param line of the generated file, beginning at 1
 * @param column of the generated file, beginning at 1
 */
export function findSourcePosition(map: SourceMapText, line: number, column: number): SourcePosition | undefined {
  const { mappings, sources } = map;
  // The fields of a segment are differences: of the generated column within a line, of the others within the map.
  const at = [0, 0, 0, 0, 0];
  let found: SourcePosition | undefined;
  let field = 0;
  let generatedLine = 1;
  let value = 0;
  let shift = 0;
  for (let i = 0; i <= mappings.length; i++) {
    const code = i < mappings.length ? mappings.charCodeAt(i) : LINE_END;
    if (code !== LINE_END && code !== SEGMENT_END) {
      const digit = DIGIT_OF[code]!;
      value += (digit & 31) << shift;
      shift += 5;
      if ((digit & 32) !== 0) continue;
      at[field] = at[field]! + ((value & 1) === 1 ? -(value >> 1) : value >> 1);
      field++;
      value = shift = 0;
      continue;
    }
    if (generatedLine === line && field > 0) {
      if (at[0]! >= column) return found;
      const source = field >= 4 ? sources[at[1]!] : undefined;
      found = source === undefined ? undefined : { source, line: at[2]! + 1, column: at[3]! + 1 };
    }
    field = 0;
    if (code === SEGMENT_END) continue;
    if (generatedLine === line) return found;
    generatedLine++;
    at[0] = 0;
  }
  return found;
}
