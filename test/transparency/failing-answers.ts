/** The ways an application can fail: thrown, passed on, rejected, too late, with arguments that Node refuses, torn. */
import { Readable } from 'node:stream';
import { each, scenarios, type Answer, type Scenario } from './scenario.js';

const failure = (more: object = {}): Error => Object.assign(new Error('failed'), { stack: 'Error: failed' }, more);
const STATUSES = [400, 401, 403, 404, 406, 410, 412, 413, 416, 422, 423, 429, 451, 500, 502, 503];

const errors: Readonly<Record<string, Answer>> = {
  ...each(STATUSES, (status) => `status ${status}`, (status) => (_req, _res, next) => next(failure({ status }))), // prettier-ignore
  thrown: () => {
    throw failure();
  },
  'passed on': (_req, _res, next) => next(failure()),
  'passed on later': (_req, _res, next) => void setImmediate(() => next(failure({ statusCode: 409 }))),
  'with fields': (_req, _res, next) =>
    next(failure({ status: 401, headers: { 'WWW-Authenticate': 'Basic', 'X-Why': '1' } })),
  'with Retry-After': (_req, _res, next) => next(failure({ status: 503, headers: { 'Retry-After': '7' } })),
  'an impossible status': (_req, _res, next) => next(failure({ status: 1000 })),
  'a string': (_req, _res, next) => next('broken'),
  'after a status': (_req, res, next) => {
    res.status(409);
    next(failure());
  },
  'after fields': (_req, res, next) => {
    res.set({ 'X-Set': '1', 'Content-Encoding': 'gzip', 'Content-Language': 'de', ETag: '"x"' });
    next(failure());
  },
  'nothing matched': (_req, _res, next) => next(),
  'route skipped': (_req, _res, next) => next('route'),
  'router left': (_req, _res, next) => next('router'),
};

const reject = (reason?: Error): Promise<never> => Promise.reject(reason!);

const rejections: Readonly<Record<string, Answer>> = {
  'at once': () => Promise.reject(failure()),
  later: async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw failure({ status: 404 });
  },
  'of nothing': () => reject(),
};

// Not among them: statusCode NaN, with which Express's final handler ends the process of the bare application.
const arguments_: Readonly<Record<string, Answer>> = {
  'status undefined': (_req, res) => void res.status(undefined as never).send('x'),
  'status as text': (_req, res) => void res.status('201' as never).send('x'),
  'status 99': (_req, res) => void res.status(99).send('x'),
  'status 1000': (_req, res) => void res.status(1000).send('x'),
  'statusCode text': (_req, res) => {
    res.statusCode = '404' as never;
    res.end('x');
  },
  'writeHead of a word': (_req, res) => void res.writeHead('abc' as never).end('x'),
  'writeHead of nothing': (_req, res) => void res.writeHead(undefined as never).end('x'),
  'writeHead with a bad field': (_req, res) => void res.writeHead(200, { 'bad name': '1' }).end('x'),
  'writeHead with a bad value': (_req, res) => void res.writeHead(200, { 'X-A': 'a\r\nb' }).end('x'),
  'writeHead with an odd list': (_req, res) => void res.writeHead(200, ['X-A'] as never).end('x'),
  'writeHead twice': (_req, res) => void res.writeHead(200).writeHead(201).end('x'),
  'a bad reason phrase': (_req, res) => void res.writeHead(200, 'a\nb').end('x'),
  'setHeader of a bad name': (_req, res) => void res.setHeader('bad name', '1').end('x'),
  'setHeader of a bad value': (_req, res) => void res.setHeader('X-A', 'a\nb').end('x'),
  'setHeader of nothing': (_req, res) => void res.setHeader('X-A', undefined as never).end('x'),
  'end of a number': (_req, res) => void res.end(42),
  'end of an object': (_req, res) => void res.end({ a: 1 }),
  'write of an object': (_req, res) => {
    res.write({ a: 1 });
    res.end();
  },
  'write of nothing': (_req, res) => {
    res.write(undefined);
    res.end();
  },
  'write of null': (_req, res) => {
    res.write(null);
    res.end();
  },
  'a body that JSON cannot represent': (_req, res) => {
    const circular: Record<string, unknown> = {};
    circular.itself = circular;
    res.json(circular);
  },
  'a redirect without a target': (_req, res) => void res.redirect(undefined as never),
};

const late: Readonly<Record<string, Answer>> = {
  'an error after the end': (_req, res, next) => {
    res.end('whole');
    res.once('finish', () => next(failure()));
  },
  'next after the end': (_req, res, next) => {
    res.end('whole');
    next();
  },
  'end twice': (_req, res) => {
    res.once('error', () => undefined); // without a listener, Node ends the process of the bare application
    res.end('once');
    res.end('twice');
  },
  'setHeader after the end': (_req, res) => {
    res.end('whole');
    try {
      res.setHeader('X-Late', '1');
    } catch {
      // as Node has it: ERR_HTTP_HEADERS_SENT
    }
  },
  'writeHead after the end': (_req, res) => {
    res.end('whole');
    try {
      res.writeHead(201);
    } catch {
      // as Node has it: ERR_HTTP_HEADERS_SENT
    }
  },
  'what Node answers to write after the end': (_req, res) => {
    res.once('error', () => undefined);
    res.end('whole');
    res.write('more');
  },
};

const torn: Readonly<Record<string, Answer>> = {
  'end of an unknown encoding': (_req, res) => void res.end('x', 'no-such-encoding' as never),
  'addTrailers of a bad name': (_req, res) => {
    res.write('x');
    res.addTrailers({ 'bad name': '1' });
    res.end();
  },
  'destroyed before the head': (_req, res) => void res.destroy(),
  'the socket destroyed': (req) => void req.socket.destroy(),
  'destroyed after the head': (_req, res) => {
    res.writeHead(200, { 'Content-Length': 100 });
    res.write('half', () => res.destroy());
  },
  'destroyed in chunks': (_req, res) => void res.write('half', () => res.destroy()),
  'an error after half': (_req, res, next) => void res.write('half', () => next(failure())),
  'a source that fails': (_req, res) => {
    const source = new Readable({ read: () => undefined });
    source.push('half');
    source.once('error', () => res.destroy());
    source.pipe(res, { end: false });
    setImmediate(() => source.destroy(failure()));
  },
};

/** Everything that goes wrong. */
export const FAILING_SCENARIOS: readonly Scenario[] = [
  ...scenarios('error', errors),
  ...scenarios('rejection', rejections, { needsExpress5: true }),
  ...scenarios('argument', arguments_),
  ...scenarios('late', late),
  ...scenarios('torn', torn, { isTorn: true }),
];
