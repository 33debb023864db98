// An Express application without a network. It runs in its own process, because cls-hooked makes every promise in its
// process more expensive. Each request runs in the carrier named by the argument, and reads the current context after
// three awaits.
import { asyncContext } from '@tooloo/resilience';
import { clsHookedContext } from '@tooloo/resilience/cls-hooked';
import express from 'express';
import { serve } from '../in-process.js';
import { undisturbedRate } from '../rates.js';

const carriers = {
  none: () => ({ run: (_span, callback) => callback(), get: () => undefined }),
  AsyncLocalStorage: asyncContext,
  'cls-hooked': () => clsHookedContext('bench'),
};

const name = process.argv[2];
const carrier = carriers[name]();
const span = { traceId: 'trace', spanId: 'span' };
let lost = 0;

const app = express();
app.use((_req, _res, next) => carrier.run(span, next));
app.get('/', async (_req, res) => {
  for (let i = 0; i < 3; i++) await Promise.resolve();
  if (carrier.get() !== span) lost++;
  res.json({ ok: true });
});

const rate = await undisturbedRate(
  async (n) => {
    for (let i = 0; i < n; i++) await serve(app);
  },
  { batch: 20, milliseconds: 400 },
);
if (lost > 0 && name !== 'none') throw new Error(`${name} lost what it carried ${lost} times`);
process.send(rate);
