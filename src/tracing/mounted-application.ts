/**
 * Finds the application behind a mount. Express hides a mounted application in a function, so its layers are not
 * reachable from those of its parent. It gives the request the prototype of the application, though, before it sets the
 * parameters of the first route.
 */
import type { Layer, RoutedRequest } from './route-template.js';

/** The name of the function in which both versions of Express hide a mounted application. */
const MOUNTED = 'mounted_app';

/** Layers whose application has been found. */
const found = new WeakSet<object>();

/**
 * Calls `observe` with the application that a layer mounts, before one of its routes is entered. Does nothing for other
 * layers, and nothing from the second request on.
 */
export function observeMounted(layer: Layer, req: RoutedRequest, observe: (application: object) => void): void {
  if (layer.name !== MOUNTED || found.has(layer)) return;
  const outer = req.app;
  let { params } = req;
  const redefine = (descriptor: PropertyDescriptor): void => {
    Object.defineProperty(req, 'params', { ...descriptor, configurable: true, enumerable: true });
  };
  redefine({
    get: () => params,
    set: (value: RoutedRequest['params']) => {
      params = value;
      const { app } = req;
      if (app === undefined || app === outer) return;
      found.add(layer);
      redefine({ value, writable: true });
      observe(app);
    },
  });
}
