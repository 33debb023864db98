import express from 'express';
import { createServer } from 'node:http';
import { compose, healthEndpoints, proxyBalanced, rateLimit, trace } from '@tooloo/resilience';

/** A service of two instances. In production they run elsewhere; here they share the process. */
async function startService(name, instances) {
  const addresses = [];
  for (let id = 1; id <= instances; id++) {
    const app = express().get('/{*path}', (req, res) => res.json({ service: name, instance: id, path: req.path }));
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    addresses.push(`http://127.0.0.1:${server.address().port}`);
  }
  return addresses;
}

const route = async (name, prefix) =>
  proxyBalanced({
    targets: await startService(name, 2),
    service: name,
    prefix,
    rewrite: (path) => path.slice(prefix.length) || '/',
  });

const health = healthEndpoints();
const listener = compose(
  trace({ serviceName: 'gateway' }),
  health,
  rateLimit({ rateLimit: 200, refillRate: 50 }),
  await route('orders', '/orders'),
  await route('stock', '/stock'),
  await route('users', '/users'),
);
const server = createServer(listener).listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server).then(() => process.exit()));
