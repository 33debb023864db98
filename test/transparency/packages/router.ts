/** router: the router of Express by itself, in front of finalhandler. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Part } from '../variants.js';
import { load, type PackageSuite } from './suite.js';

type Next = (error?: unknown) => void;
type Req = IncomingMessage & { params: Record<string, string>; baseUrl: string; user?: string };
type Handle = (req: Req, res: ServerResponse, next: Next) => unknown;
type HandleError = (error: Error & { status?: number }, req: Req, res: ServerResponse, next: Next) => unknown;

interface Router {
  (req: IncomingMessage, res: ServerResponse, done: Next): void;
  use(...handlers: ReadonlyArray<string | RegExp | Handle | HandleError | Router | Part>): Router;
  get(path: string | RegExp | readonly string[], ...handlers: readonly Handle[]): Router;
  post(path: string, ...handlers: readonly Handle[]): Router;
  all(path: string, ...handlers: readonly Handle[]): Router;
  param(name: string, handle: (req: Req, res: ServerResponse, next: Next, value: string) => unknown): Router;
  route(path: string): Pick<Router, 'get' | 'all'> & { get(handle: Handle): Route; put(handle: Handle): Route };
}
type Route = ReturnType<Router['route']>;

const params: Handle = (req, res) => void res.end(JSON.stringify({ params: req.params, base: req.baseUrl, url: req.url })); // prettier-ignore
const say = (text: string): Handle => (_req, res) => void res.end(text); // prettier-ignore
const failure = (status: number): Error => Object.assign(new Error('failed'), { status, stack: `failed ${status}` });

function define(router: Router, make: (options?: object) => Router): void {
  const nested = make({ mergeParams: true });
  nested.get('/items/:item', params);
  nested.use(say('the nested router'));
  const strict = make({ strict: true, caseSensitive: true });
  strict.get('/Exact', say('exact'));
  router.param('user', (req, _res, next, value) => {
    req.user = value;
    next(value === 'nobody' ? failure(404) : undefined);
  });
  router.get('/plain', say('plain'));
  router.get('/users/:user', (req, res) => void res.end(`user ${req.user}`));
  router.get('/files/*path', params);
  router.get('/optional{/:part}', params);
  router.get(/^\/odd-(\d+)$/, params);
  router.get(['/one', '/two'], say('one or two'));
  router.use('/shops/:shop', nested);
  router.use('/strict', strict);
  const route = router.route('/resource');
  route.get(say('read'));
  route.put(say('written'));
  router.get('/skip', (_req, _res, next) => next('route'), say('never'));
  router.get('/skip', say('the next route'));
  router.all('/any', (req, res) => void res.end(req.method));
  router.get('/fails', (_req, _res, next) => next(failure(409)));
  router.get('/throws', () => {
    throw failure(500);
  });
  router.get('/rejects', () => Promise.reject(failure(503)));
  router.get('/handled', (_req, _res, next) => next(Object.assign(failure(418), { isHandled: true })));
  router.get('/stream', (_req, res) => {
    res.write('a');
    setImmediate(() => res.end('b'));
  });
  const handleError: HandleError = (error, _req, res, next) => {
    if (!('isHandled' in error)) return next(error);
    res.statusCode = 418;
    res.end('handled');
  };
  router.use(handleError);
}

function build(parts: readonly Part[]): RequestListener {
  const make = load<(options?: object) => Router>('router');
  const finalHandler = load<(req: IncomingMessage, res: ServerResponse, options: object) => Next>('finalhandler');
  const router = make();
  for (const part of parts) router.use(part);
  define(router, make);
  return (req, res) => router(req, res, finalHandler(req, res, { env: 'production' }));
}

export const router: PackageSuite = {
  packages: ['router', 'finalhandler'],
  builds: { 'router alone': build },
  steps: [
    { name: 'a path', target: '/plain', status: 200, shows: /plain/ },
    { name: 'a trailing slash', target: '/plain/', status: 200, shows: /plain/ },
    { name: 'HEAD of a GET', method: 'HEAD', target: '/plain', status: 200 },
    { name: 'a parameter', target: '/users/ann', status: 200, shows: /user ann/ },
    { name: 'a parameter that is refused', target: '/users/nobody', status: 404 },
    { name: 'a parameter with escapes', target: '/users/a%20b', status: 200, shows: /user a b/ },
    { name: 'an invalid escape', target: '/users/%ZZ', status: 400 },
    { name: 'a wildcard', target: '/files/a/b/c', status: 200, shows: /"path":\["a","b","c"\]/ },
    { name: 'an optional part', target: '/optional', status: 200, shows: /"params":\{\}/ },
    { name: 'the optional part', target: '/optional/x?y=1', status: 200, shows: /"part":"x"/ },
    { name: 'an expression', target: '/odd-12', status: 200, shows: /"0":"12"/ },
    { name: 'several paths', target: '/two', status: 200, shows: /one or two/ },
    { name: 'a nested router', target: '/shops/3/items/4', status: 200, shows: /"shop":"3","item":"4"[^]*"base":"\/shops\/3"/ },
    { name: 'the rest of a nested router', target: '/shops/3/other', status: 200, shows: /the nested router/ },
    { name: 'strict', target: '/strict/Exact', status: 200, shows: /exact/ },
    { name: 'strict about slashes', target: '/strict/Exact/', status: 404 },
    { name: 'strict about case', target: '/strict/exact', status: 404 },
    { name: 'OPTIONS', method: 'OPTIONS', target: '/resource', status: 200, shows: /Allow: GET, HEAD, PUT/ },
    { name: 'a route', method: 'PUT', target: '/resource', body: '', status: 200, shows: /written/ },
    { name: 'another method', method: 'DELETE', target: '/resource', status: 404, shows: /Cannot DELETE/ },
    { name: 'the route is skipped', target: '/skip', status: 200, shows: /the next route/ },
    { name: 'any method', method: 'PROPFIND', target: '/any', body: '', status: 200, shows: /PROPFIND/ },
    { name: 'an error', target: '/fails', status: 409, shows: /Conflict/ },
    { name: 'a throw', target: '/throws', status: 500, shows: /Internal Server Error/ },
    { name: 'a rejection', target: '/rejects', status: 503, shows: /Service Unavailable/ },
    { name: 'an error that is handled', target: '/handled', status: 418, shows: /handled/ },
    { name: 'a stream', target: '/stream', status: 200, shows: /ab/ },
    { name: 'nothing there', target: '/nothing', status: 404, shows: /Cannot GET \/nothing/ },
  ], // prettier-ignore
};
