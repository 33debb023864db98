// What the proxied part of the soak's server is proxied to.
import { createServer } from 'node:http';
import { listen } from '../harness.js';

const ANSWER = JSON.stringify({ ok: true, text: 'x'.repeat(200) });

listen(
  createServer((req, res) => {
    res.setHeader('Content-Type', 'application/json');
    res.setHeader('Cache-Control', 'no-store');
    res.end(ANSWER);
  }),
).keepAliveTimeout = 60_000;
