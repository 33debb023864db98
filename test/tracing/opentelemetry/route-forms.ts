/** Every form of route that Express knows, below every form of mount, however the route ends: for a comparison of labels. */
import type express from 'express';

/** A copy of Express. */
export type Express = typeof express;

/** An application with one route, a request that it serves, and the template as it was registered. */
export interface RouteForm {
  readonly title: string;
  readonly path: string;
  readonly template: string;
  readonly setUp: (app: express.Express) => void;
}

type Path = string | RegExp | (string | RegExp)[];

/** `concrete` is what a request has there, `template` what is registered for it. */
interface Part {
  readonly path: Path;
  readonly concrete: string;
  readonly template: string;
}

type Handler = (req: express.Request, res: express.Response, next: express.NextFunction) => unknown;

const literal = (path: string): Part => ({ path, concrete: path, template: path });

/** The mount paths from the outermost to the innermost. */
const MOUNTS: readonly (readonly Part[])[] = [
  [],
  [literal('/api')],
  [{ path: '/api', concrete: '/API', template: '/api' }],
  [{ path: '/api/', concrete: '/api', template: '/api' }],
  [{ path: '/tenants/:tenant', concrete: '/tenants/a%20b', template: '/tenants/:tenant' }],
  [{ path: ['/v1', '/v2/:edition'], concrete: '/v2/x', template: '/v2/:edition' }],
  [{ path: /^\/r\d+/, concrete: '/r12', template: '/^\\/r\\d+/' }],
  [literal('/api'), { path: '/lists/:list', concrete: '/lists/api', template: '/lists/:list' }],
  [literal('/a'), literal('/a'), literal('/a')],
];

const ROUTES = (isFive: boolean): readonly Part[] => [
  literal('/'),
  literal('/items'),
  literal('/items/new-one.json'),
  { path: '/items/:id', concrete: '/items/7', template: '/items/:id' },
  { path: '/items/:id', concrete: '/ITEMS/%C3%A9/', template: '/items/:id' },
  { path: '/:kind/:id-:part', concrete: '/items/7-8', template: '/:kind/:id-:part' },
  { path: ['/p', '/q/:id'], concrete: '/q/5', template: '/q/:id' },
  { path: /^\/x(\d+)$/, concrete: '/x12', template: '/^\\/x(\\d+)$/' },
  ...(isFive
    ? [
        { path: '/files/*path', concrete: '/files/a/b', template: '/files/*path' },
        { path: '/o{/:x}', concrete: '/o/1', template: '/o{/:x}' },
        { path: '/o{/:x}', concrete: '/o', template: '/o{/:x}' },
      ]
    : [
        { path: '/files/*', concrete: '/files/a/b', template: '/files/*' },
        { path: '/o/:x?', concrete: '/o/1', template: '/o/:x?' },
        { path: '/o/:x?', concrete: '/o', template: '/o/:x?' },
        { path: '/n/:id(\\d+)', concrete: '/n/12', template: '/n/:id(\\d+)' },
        { path: '/ab?cd', concrete: '/acd', template: '/ab?cd' },
      ]),
];

/** The handlers that end the request. */
const ENDINGS: Readonly<Record<string, Handler>> = {
  fails: (_req, _res, next) => next(new Error('no')),
  throws: () => {
    throw new Error('no');
  },
  answers: (_req, res) => res.send('ok'),
};

const pass: Handler = (_req, _res, next) => next();

/** How the route is registered; all of them serve GET. */
const REGISTRATIONS: Readonly<Record<string, (router: express.Router, path: Path, end: Handler) => unknown>> = {
  get: (router, path, end) => router.get(path, end),
  all: (router, path, end) => router.all(path, pass, end),
  route: (router, path, end) =>
    router
      .route(path as string)
      .get(end)
      .post(end),
  'after others': (router, path, end) =>
    router
      .use(pass)
      .use('/items', pass)
      .get(path, (_req, _res, next) => next('route'))
      .get(path, end),
};

const OTHER_REGISTRATIONS = Object.keys(REGISTRATIONS).filter((how) => how !== 'get');

/** A route at the root of a mount is the mount; elsewhere the two follow each other. */
function joined(mounts: readonly Part[], route: Part): string {
  const prefix = mounts.map(({ template }) => template).join('');
  if (prefix.endsWith('/') && route.template.startsWith('/')) return prefix + route.template.slice(1) || prefix;
  return route.template === '/' && prefix !== '' ? prefix : prefix + route.template;
}

/** Express writes no errors to the console. */
function silent(app: express.Express): express.Express {
  return app.set('env', 'test');
}

function routerForm(mounts: readonly Part[], route: Part, how: string, ending: string, copy: Express, kind: string) {
  const shown = [...mounts, route].map(({ path }) => String(path)).join(' > ');
  return {
    title: `${kind}: ${shown}, ${how}, ${ending}`,
    path: [...mounts, route].map(({ concrete }) => concrete).join(''),
    template: joined(mounts, route),
    setUp: (app: express.Express) => {
      let router: express.Router = app;
      for (const { path } of mounts) {
        const inner = kind === 'routers' ? copy.Router() : silent(copy());
        router.use(path, inner);
        router = inner;
      }
      REGISTRATIONS[how]!(router, route.path, ENDINGS[ending]!);
    },
  };
}

/** Handlers that are used rather than routed. */
function usedForms(express5or4: Express, folder: string): RouteForm[] {
  const files = (): Handler => express5or4.static(folder) as Handler;
  const used = (title: string, path: string, template: string, setUp: RouteForm['setUp']): RouteForm => ({
    title: `used: ${title}`,
    path,
    template,
    setUp,
  });
  return [
    used('a handler at a path', '/graphql', '/graphql', (app) => app.use('/graphql', ENDINGS['answers']!)),
    used('a handler below a path', '/graphql/x', '/graphql', (app) => app.use('/graphql', ENDINGS['answers']!)),
    used('files at a path', '/assets/file.txt', '/assets', (app) => app.use('/assets', files())),
    used('files without a path', '/file.txt', '/*', (app) => app.use(files())),
    used('a file that is not there', '/items/7', '/items/:id', (app) =>
      app.use(files()).get('/items/:id', ENDINGS['answers']!),
    ),
    used('files in a mounted router', '/docs/file.txt', '/docs', (app) =>
      app.use('/docs', express5or4.Router().use(files())),
    ),
    used('no handler', '/nothing', '(unmatched)', (app) => app.get('/items', ENDINGS['answers']!)),
    used('no handler below a mount', '/api/nothing', '(unmatched)', (app) =>
      app.use('/api', express5or4.Router().get('/items', ENDINGS['answers']!)),
    ),
    used('a handler of the application for paths without a route', '/nothing', '(unmatched)', (app) =>
      app.use((_req, res) => void res.status(404).send('no')),
    ),
  ];
}

/**
 * @param copies the Express of the application, and another copy of it, whose applications and routers are mounted
 * @param folder holds `file.txt`
 */
export function routeForms(copies: readonly [Express, Express], isFive: boolean, folder: string): RouteForm[] {
  const [own, other] = copies;
  const kinds = [
    ['routers', own],
    ['applications', own],
    ['applications of another copy', other],
  ] as const;
  const forms: RouteForm[] = [];
  for (const mounts of MOUNTS)
    for (const route of ROUTES(isFive))
      for (const [kind, copy] of kinds) {
        if (mounts.length === 0 && kind !== 'routers') continue;
        const form = (how: string, ending: string): RouteForm => routerForm(mounts, route, how, ending, copy, kind);
        forms.push(...Object.keys(ENDINGS).map((ending) => form('get', ending)));
        if (kind === 'routers') forms.push(...OTHER_REGISTRATIONS.map((how) => form(how, 'answers')));
      }
  return [...forms, ...usedForms(own, folder)];
}
