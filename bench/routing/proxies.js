// The proxies compared, each as its documentation says, with kept connections to the origin: a listener by name.
import { compose, proxyBalanced } from '@tooloo/resilience';
import fastifyProxy from '@fastify/http-proxy';
import express from 'express';
import fastify from 'fastify';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Agent, createServer } from 'node:http';
import { Pool } from 'undici';

const underExpress = (middleware) => createServer(express().use(middleware));

async function underFastify(origin) {
  const app = fastify();
  app.register(fastifyProxy, { upstream: origin, undici: { connections: 256 } });
  await app.ready();
  return app.server;
}

/** undici and nothing else: no choice of an instance, no retry, no field added or taken away. */
function bare(origin) {
  const pool = new Pool(origin, { connections: 256 });
  return createServer((req, res) => {
    const { method, url: path, headers } = req;
    delete headers.connection;
    pool.dispatch(
      { method, path, headers, body: method === 'POST' ? req : null },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, fields) {
          delete fields.connection;
          delete fields['keep-alive'];
          res.writeHead(status, fields);
        },
        onResponseData(_controller, chunk) {
          res.write(chunk);
        },
        onResponseEnd() {
          res.end();
        },
        onResponseError(_controller, error) {
          res.destroy(error);
        },
      },
    );
  });
}

export const proxies = {
  'ours, Express': (origin) => underExpress(proxyBalanced({ targets: [origin] })),
  'ours, compose': (origin) => createServer(compose(proxyBalanced({ targets: [origin] }))),
  'http-proxy-middleware': (origin) =>
    underExpress(createProxyMiddleware({ target: origin, agent: new Agent({ keepAlive: true }) })),
  '@fastify/http-proxy': underFastify,
  'bare undici': bare,
};
