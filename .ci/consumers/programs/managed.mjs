// What a package manager has installed: the middleware work, and the disk layer works or names its driver.
import express from 'express';
import { cacheResponse, DiskCacheLayer, healthEndpoints, proxyBalanced, rateLimit, trace } from '@tooloo/resilience';

const listen = (handler) =>
  new Promise((resolve) => {
    const server = handler.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

const origin = express();
origin.get('/x', (_req, res) => void res.set('Cache-Control', 'max-age=60').send('hello'));
const shop = express();
shop.use(trace(), healthEndpoints(), rateLimit(), cacheResponse());
shop.use('/api', proxyBalanced({ targets: [await listen(origin)] }));
const url = await listen(shop);
const answers = [];
for (let i = 0; i < 2; i++) {
  const response = await fetch(`${url}/api/x`);
  answers.push(`${response.status} ${await response.text()} ${response.headers.get('cache-status')}`);
}
if (!/^200 hello .*; hit/.test(answers[1])) throw new Error(answers.join(', '));

function disk() {
  try {
    new DiskCacheLayer({ dbPath: ':memory:' }).destroy();
    return 'works';
  } catch (error) {
    if (error.code !== 'DRIVER_UNAVAILABLE') throw error;
    return 'works; the disk layer names its driver';
  }
}
console.log(disk());
process.exit();
