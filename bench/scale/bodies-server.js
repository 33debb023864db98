// Answers `/SIZE` with a body of so many bytes: written by a handler (`written`), from the response cache (`cached`), or fetched
// through the proxy from the origin at the port named second (`proxied`).
import { cacheResponse, compose, proxyBalanced } from '@tooloo/resilience';
import { createServer } from 'node:http';
import { listen } from '../harness.js';

const bodies = new Map();

function bodyOf(size) {
  if (!bodies.has(size)) bodies.set(size, Buffer.alloc(size, 'x'));
  return bodies.get(size);
}

function write(req, res) {
  const body = bodyOf(Number(req.url.slice(1)));
  res.setHeader('Cache-Control', 'public, max-age=600');
  res.setHeader('Content-Type', 'text/plain');
  res.setHeader('Content-Length', body.length);
  res.end(body);
}

/** By name: makes the listener. */
const listeners = {
  written: () => compose(write),
  cached: () => compose(cacheResponse(), write),
  proxied: (port) => compose(proxyBalanced({ targets: [`http://127.0.0.1:${port}`] })),
};

const [name, port] = process.argv.slice(2);
listen(createServer(listeners[name](port)));
