// Requests a second through Express without a network: what a limiter adds to a request, measured more closely than over
// sockets, where the client and the system take most of the time.
import express from 'express';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { microbenchmark } from '../harness.js';
import { limiters } from './limiters.js';

/** A socket that swallows what is written. */
class Nowhere extends Duplex {
  remoteAddress = '127.0.0.1';
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
  _writev(_chunks, done) {
    done();
  }
}

function serve(app) {
  return new Promise((resolve) => {
    const socket = new Nowhere();
    const req = Object.assign(new IncomingMessage(socket), { method: 'GET', url: '/', httpVersionMajor: 1 });
    req.httpVersionMinor = 1;
    req.headers = { host: 'localhost' };
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    res.on('finish', resolve);
    app(req, res);
  });
}

const functions = {};
for (const name of ['none', 'ours', 'express-rate-limit', 'rate-limiter-flexible']) {
  const app = express();
  const middleware = await limiters[name]();
  if (middleware !== undefined) app.use(middleware);
  app.get('/', (_req, res) => {
    res.json({ ok: true });
  });
  functions[name] = async (n) => {
    for (let i = 0; i < n; i++) await serve(app);
  };
}

await microbenchmark({
  title: 'Requests through Express without a network',
  functions,
  ours: 'ours',
  quietest: true,
  rounds: Number(process.env.ROUNDS ?? 15),
  milliseconds: 300,
  batch: 50,
});
process.exit();
