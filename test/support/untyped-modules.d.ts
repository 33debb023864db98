/** Packages that bring no types: as far as the tests use them. */
declare module 'compression' {
  import type { RequestHandler } from 'express';
  export default function compression(options?: { threshold?: number }): RequestHandler;
}
declare module 'cors' {
  import type { RequestHandler } from 'express';
  export default function cors(options?: { origin?: true | string | string[]; credentials?: boolean }): RequestHandler;
}
declare module 'better-sqlite3' {
  export default class Database {
    pragma(sql: string): unknown;
  }
}
