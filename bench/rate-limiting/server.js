// One Express application behind the limiter named by the argument; the limit is never reached.
import express from 'express';
import { listen } from '../harness.js';
import { limiters } from './limiters.js';

const app = express();
const middleware = await limiters[process.argv[2]](process.argv[3]);
if (middleware !== undefined) app.use(middleware);
app.get('/', (_req, res) => {
  res.json({ ok: true });
});
listen(app);
