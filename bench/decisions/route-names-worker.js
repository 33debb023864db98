// An Express application without a network. It runs in its own process, because code that observes its routes affects
// the whole process. The route is below a router, after four middleware; the argument names the way to learn the route.
import express from 'express';
import { tracingChannel } from 'node:diagnostics_channel';
import { serve } from '../in-process.js';
import { undisturbedRate } from '../rates.js';

const RouteLayer = () => {
  const probe = express.Router();
  probe.get('/', () => undefined);
  return Object.getPrototypeOf(probe.stack[0]);
};

let told = 0;

/** By name: begins to watch, and notes the route of each request. */
const ways = {
  'no observer': () => undefined,
  'a wrapped layer'() {
    const prototype = RouteLayer();
    const original = prototype.handleRequest;
    prototype.handleRequest = function watched(req, res, next) {
      if (this.route !== undefined && this.route.path !== undefined) told++;
      return original.call(this, req, res, next);
    };
  },
  'the diagnostics channel'() {
    tracingChannel('express.router.request').subscribe({
      start(message) {
        if (message.route !== undefined) told++;
      },
    });
  },
};

const app = express();
for (let i = 0; i < 4; i++) app.use((_req, _res, next) => next());
const router = express.Router();
router.get('/', (_req, res) => {
  res.json({ ok: true });
});
app.use(router);

const name = process.argv[2];
ways[name]();
const rate = await undisturbedRate(
  async (n) => {
    for (let i = 0; i < n; i++) await serve(app);
  },
  { batch: 20, milliseconds: 400 },
);
if (told === 0 && name !== 'no observer') throw new Error(`${name} reported no route`);
process.send(rate);
