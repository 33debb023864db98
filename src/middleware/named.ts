/**
 * Gives a middleware the name that Express and instrumentations show. A function expression cannot have the name of the function around
 * it: bundlers rename it, in the published package too.
 */
export function named<F extends (...args: never[]) => unknown>(name: string, middleware: F): F {
  return Object.defineProperty(middleware, 'name', { value: name });
}
