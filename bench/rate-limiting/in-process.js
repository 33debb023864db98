// Requests a second through Express without a network: what a limiter adds to a request, measured more closely than over
// sockets, where the client and the system take most of the time.
import express from 'express';
import { microbenchmark } from '../harness.js';
import { serve } from '../in-process.js';
import { limiters } from './limiters.js';

const functions = {};
for (const name of ['none', 'header fields alone', 'ours', 'express-rate-limit', 'rate-limiter-flexible']) {
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
