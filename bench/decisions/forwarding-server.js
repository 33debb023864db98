// A server that forwards what it gets to the origin at the port named second, with the client named first and nothing else: no
// choice of an instance, no retry. Each client keeps its connections to the origin.
import axios from 'axios';
import { Agent, createServer, request } from 'node:http';
import { Readable } from 'node:stream';
import { Pool } from 'undici';
import { listen } from '../harness.js';
import { proxies } from '../routing/proxies.js';

const MOST = 256;

function withRequest(origin) {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST });
  const { hostname: host, port } = new URL(origin);
  return ({ method, url: path, headers }, res) => {
    delete headers.connection;
    request({ host, port, agent, method, path, headers }, (answer) => {
      delete answer.headers.connection;
      delete answer.headers['keep-alive'];
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    })
      .once('error', (error) => res.destroy(error))
      .end();
  };
}

function withUndiciRequest(origin) {
  const pool = new Pool(origin, { connections: MOST });
  return async ({ method, url: path, headers }, res) => {
    delete headers.connection;
    const answer = await pool.request({ method, path, headers });
    delete answer.headers.connection;
    delete answer.headers['keep-alive'];
    res.writeHead(answer.statusCode, answer.headers);
    answer.body.pipe(res);
  };
}

function withAxios(origin) {
  const client = axios.create({
    baseURL: origin,
    httpAgent: new Agent({ keepAlive: true, maxSockets: MOST }),
    responseType: 'stream',
    decompress: false,
    maxRedirects: 0,
    validateStatus: () => true,
  });
  return async ({ method, url, headers }, res) => {
    delete headers.connection;
    const answer = await client.request({ method, url, headers });
    delete answer.headers.connection;
    delete answer.headers['keep-alive'];
    res.writeHead(answer.status, { ...answer.headers });
    answer.data.pipe(res);
  };
}

function withFetch(origin) {
  return async ({ method, url }, res) => {
    const answer = await fetch(origin + url, { method });
    const fields = Object.fromEntries(answer.headers);
    delete fields.connection;
    delete fields['keep-alive'];
    res.writeHead(answer.status, fields);
    Readable.fromWeb(answer.body).pipe(res);
  };
}

/** By name: makes the server. */
const servers = {
  'undici, dispatch': proxies['bare undici'],
  'undici, request': (origin) => createServer(withUndiciRequest(origin)),
  'node:http': (origin) => createServer(withRequest(origin)),
  axios: (origin) => createServer(withAxios(origin)),
  fetch: (origin) => createServer(withFetch(origin)),
};

const [name, port] = process.argv.slice(2);
listen(servers[name](`http://127.0.0.1:${port}`));
