import type { IncomingMessage } from 'node:http';

/**
 * The request with other values for some of its properties, for code that takes a request. It is a proxy and not an object whose
 * prototype is the request. V8 gives an object that becomes a prototype a hidden class of its own, and then everything that uses the
 * request, Node's server included, takes several times as long.
 */
export function viewOf<R extends IncomingMessage>(req: R, values: Partial<Record<keyof R, unknown>>): R {
  return new Proxy(req, {
    get: (target, name): unknown => (Object.hasOwn(values, name) ? values[name as keyof R] : Reflect.get(target, name)),
  });
}
