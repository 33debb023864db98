/** How values of PostgreSQL become JavaScript's: as `pg` reads them, except for `bigint`. */
import pg from 'pg';
import { bigintReader, type Bigints } from './bigints.js';

const INT8_ARRAY = 1016;

type Parser = (text: string) => unknown;

function mapDeep(value: unknown, read: Parser): unknown {
  if (Array.isArray(value)) return value.map((item) => mapDeep(item, read));
  return typeof value === 'string' ? read(value) : value;
}

/**
 * Types as `pg` reads them, except that a bigint, the type of `count(*)`, becomes a number or a BigInt. By default `pg`
 * returns it as text, and the same code would then differ between SQLite and PostgreSQL.
 */
export function postgresTypes(bigints: Bigints): pg.CustomTypesConfig {
  const read = bigintReader(bigints);
  const readArray = (pg.types.getTypeParser as (oid: number) => Parser)(INT8_ARRAY);
  return {
    getTypeParser: (oid, format) => {
      if (format === 'binary') return pg.types.getTypeParser(oid, format) as Parser;
      if (oid === pg.types.builtins.INT8) return read;
      if ((oid as number) === INT8_ARRAY) return (text: string) => mapDeep(readArray(text), read);
      return pg.types.getTypeParser(oid, format) as Parser;
    },
  };
}
