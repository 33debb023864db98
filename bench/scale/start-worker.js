// Loads what the argument names and, if it is a server, answers one request. Reports the time since the process
// started.
import { createServer, get } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** One answer of the listener; settles when it has come. */
function answer(listener) {
  return new Promise((resolve, reject) => {
    const server = createServer(listener).listen(0, '127.0.0.1', () => {
      get({ port: server.address().port, agent: false }, (res) => res.resume().once('end', resolve)).once(
        'error',
        reject,
      );
    });
  });
}

async function application(withKit) {
  const { default: express } = await import('express');
  const app = express();
  if (withKit) {
    const { cacheResponse, healthEndpoints, rateLimit, trace } = await import('@tooloo/resilience');
    app.use(trace(), healthEndpoints(), rateLimit(), cacheResponse());
  }
  app.get('/', (_req, res) => {
    res.json({ ok: true });
  });
  return answer(app);
}

const ways = {
  'Node and nothing else': () => undefined,
  'import the kit': () => import('@tooloo/resilience'),
  'require the kit': () => require('@tooloo/resilience'),
  'Node alone, first answer': () => answer((_req, res) => res.end('{}')),
  'Express, first answer': () => application(false),
  'Express and the kit, first answer': () => application(true),
};

await ways[process.argv[2]]();
process.send(performance.now()); // counts from the start of the process
process.exit();
