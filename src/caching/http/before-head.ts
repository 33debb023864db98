/** For what needs to know of a response's head only: the methods are left alone but for `writeHead`. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** `writeHead` with any of its arguments. */
interface WritesHead {
  writeHead: (...args: unknown[]) => ServerResponse;
}

/**
 * Calls back once, when the head of a response is decided, with its status; fields may then still be set on the response.
 * Those given to `writeHead` itself are on the response by then.
 */
export function beforeHead(res: ServerResponse, onHead: (status: number) => void): void {
  const writer = res as unknown as WritesHead;
  const original = writer.writeHead;
  let isDecided = false;
  writer.writeHead = (...args) => {
    if (isDecided) return original.apply(res, args);
    isDecided = true;
    const headers = args.find((argument) => typeof argument === 'object' && argument !== null);
    if (headers !== undefined) applyHeaders(res, headers);
    onHead(args[0] as number);
    return original.apply(res, headers === undefined ? args : args.slice(0, args.indexOf(headers)));
  };
}

/** Sets what `writeHead` takes: an object, pairs of name and value, or names and values in turn. */
export function applyHeaders(res: ServerResponse, headers: object): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders)) {
      if (value !== undefined) res.setHeader(name, value);
    }
    return;
  }
  const pairs: [string, string | string[]][] = Array.isArray(headers[0])
    ? (headers as [string, string | string[]][])
    : Array.from({ length: headers.length / 2 }, (_, i) => [headers[2 * i] as string, headers[2 * i + 1] as string]);
  for (const [name] of pairs) res.removeHeader(name);
  for (const [name, value] of pairs) res.appendHeader(name, value);
}
