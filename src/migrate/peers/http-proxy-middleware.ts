/** http-proxy-middleware 2 and 3 → `proxyBalanced`. */
import type { Expression } from 'typescript';
import { convertOptions, objectText, type Convert, type Row, type Rows, type Values } from '../options.js';
import type { Migration } from '../migration.js';
import type { Source } from '../source.js';

/** `{ '^/api': '/v1' }` as a function; undefined where it is written elsewhere. */
const rewriteOf: Convert = (value, source) => {
  const { ts } = source;
  if (ts.isArrowFunction(value) || ts.isFunctionExpression(value)) return [`rewrite: ${source.textOf(value)}`];
  if (!ts.isObjectLiteralExpression(value)) return undefined;
  let text = 'path';
  for (const one of value.properties) {
    if (!ts.isPropertyAssignment(one) || !ts.isStringLiteral(one.name)) return undefined;
    text += `.replace(/${one.name.text.replaceAll('/', '\\/')}/, ${source.textOf(one.initializer)})`;
  }
  return [`rewrite: (path) => ${text}`];
};

const filterOf: Convert = (value, source) =>
  source.ts.isStringLiteral(value) && !/[*!{]/.test(value.text) ? [`prefix: ${source.textOf(value)}`] : undefined;

const unlessFalse =
  (name: string): Convert =>
  (value, source) =>
    source.textOf(value) === 'false' ? [] : source.textOf(value) === 'true' ? [`${name}: true`] : undefined;

const hook = (name: string): Row => ({ verdict: 'different', how: `\`${name}\`, whose arguments differ.` });

const OPTIONS: Rows = {
  target: {
    verdict: 'different',
    how: '`targets`, a list of addresses.',
    convert: (value, source) =>
      source.ts.isObjectLiteralExpression(value) ? undefined : [`targets: [${source.textOf(value)}]`],
  },
  changeOrigin: { verdict: 'same' },
  pathFilter: {
    verdict: 'different',
    how: 'A path is `prefix`; for anything else, mount the proxy where it belongs.',
    convert: filterOf,
  },
  pathRewrite: { verdict: 'different', how: '`rewrite: (path) => …`.', convert: rewriteOf },
  router: {
    verdict: 'different',
    how: 'A function is the same; a table becomes a function.',
    convert: (value, source) => {
      const { ts } = source;
      const isFunction = ts.isArrowFunction(value) || ts.isFunctionExpression(value);
      return isFunction ? [`router: ${source.textOf(value)}`] : undefined;
    },
  },
  ws: { verdict: 'different', how: '`webSocket`, and `proxy.attach(server)` in place of `server.on("upgrade", …)`.' },
  on: { verdict: 'different', how: '`onRequestHeaders`, `onResponseHeaders` and `onError`, whose arguments differ.' },
  onProxyReq: hook('onRequestHeaders'),
  onProxyRes: hook('onResponseHeaders'),
  onError: hook('onError'),
  headers: hook('onRequestHeaders'),
  auth: hook('onRequestHeaders'),
  selfHandleResponse: { verdict: 'different', how: '`transformResponse` gets the whole body.' },
  timeout: { verdict: 'same' },
  proxyTimeout: {
    verdict: 'different',
    how: '`timeout` bounds the request with all its attempts.',
    convert: (value, source) => [`timeout: ${source.textOf(value)}`],
  },
  secure: {
    verdict: 'different',
    how: '`tls: { rejectUnauthorized: false }`.',
    convert: (value, source) => (source.textOf(value) === 'false' ? ['tls: { rejectUnauthorized: false }'] : []),
  },
  ssl: { verdict: 'different', how: '`tls: { ca, cert, key }`, for the instances.' },
  agent: { verdict: 'different', how: '`dispatcher`, an undici dispatcher.' },
  xfwd: { verdict: 'different', how: '`X-Forwarded-*` fields are always sent.', convert: () => [] },
  hostRewrite: { verdict: 'different', how: '`rewriteLocation: true`, or a function.' },
  autoRewrite: { verdict: 'different', how: '`rewriteLocation: true`.', convert: unlessFalse('rewriteLocation') },
  protocolRewrite: { verdict: 'different', how: '`rewriteLocation: (location) => …`.' },
  cookieDomainRewrite: { verdict: 'different', how: '`rewriteCookies: { domain }`.' },
  cookiePathRewrite: { verdict: 'different', how: '`rewriteCookies: { path }`.' },
  preserveHeaderKeyCase: { verdict: 'same', as: 'preserveHeaderCase' },
  followRedirects: { verdict: 'none', how: 'Redirects reach the client.' },
  localAddress: { verdict: 'none', how: 'Give a `dispatcher` with that address.' },
  buffer: { verdict: 'none', how: 'Streams that were read already are sent again from `req.body`.' },
  ignorePath: { verdict: 'none', how: 'Use `rewrite`.' },
  prependPath: { verdict: 'none', how: 'The path of a target is put in front.' },
  toProxy: { verdict: 'none', how: 'The proxy of a proxy is a `dispatcher`.' },
  forward: { verdict: 'different', how: '`mirror: { target }`.' },
  logger: { verdict: 'none', how: 'Requests are in the traces; warnings are process warnings.' },
  logLevel: { verdict: 'none', how: 'See `logger`.' },
  plugins: { verdict: 'none', how: 'Use the hooks.' },
  ejectPlugins: { verdict: 'none', how: 'See `plugins`.' },
};

const COOKIES = ['cookieDomainRewrite', 'cookiePathRewrite'];

function cookiesOf(source: Source, values: Values): readonly string[] {
  const parts = COOKIES.flatMap((name) => {
    const value = values.get(name);
    return value === undefined ? [] : [`${name === 'cookiePathRewrite' ? 'path' : 'domain'}: ${source.textOf(value)}`];
  });
  return parts.length === 0 ? [] : [`rewriteCookies: { ${parts.join(', ')} }`];
}

/** The filter, which version 2 takes as an argument of its own. */
function argumentsOf(given: readonly Expression[]): {
  filter: Expression | undefined;
  options: Expression | undefined;
} {
  const [first, second] = given;
  return second === undefined ? { filter: undefined, options: first } : { filter: first, options: second };
}

export const httpProxyMiddleware: Migration = {
  peer: 'http-proxy-middleware',
  tables: { 'createProxyMiddleware(options)': OPTIONS },
  exports: { createProxyMiddleware: '', fixRequestBody: '' },
  rewrite(source, locals, use) {
    for (const call of source.callsOf(locals.of('createProxyMiddleware'))) {
      const { filter, options } = argumentsOf(call.arguments ?? []);
      const object = source.objectOf(options);
      if (object === undefined) {
        source.note(call, 'the options are not written here: convert them by hand');
        continue;
      }
      const { properties, values } = convertOptions(source, object, OPTIONS, ['ws', ...COOKIES]);
      properties.push(...cookiesOf(source, values));
      const prefix = filter === undefined ? [] : filterOf(filter, source);
      if (prefix === undefined) source.note(filter!, `pathFilter: convert by hand. ${OPTIONS['pathFilter']!.how}`);
      const ws = values.get('ws');
      if (ws === undefined || source.textOf(ws) === 'false') properties.push('webSocket: false');
      else source.note(ws, 'ws: call proxy.attach(server) in place of server.on("upgrade", proxy.upgrade)');
      source.replace(call, `${use('proxyBalanced')}(${objectText([...properties, ...(prefix ?? [])])})`);
    }
  },
};
