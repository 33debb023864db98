// The proxy in its own process; its targets are the ports named by the arguments. It reports every state change of a
// target to the parent. In reply to any message it reports the number of attempts per target.
import { compose, proxyBalanced } from '@tooloo/resilience';
import { createServer } from 'node:http';

const targets = process.argv.slice(2).map((port) => `http://127.0.0.1:${port}`);
const proxy = proxyBalanced({ targets, health: true });
proxy.router.onTargetChange(({ target, state }) => {
  process.send({ port: target.port, state, at: performance.timeOrigin + performance.now() });
});
const server = createServer(compose(proxy));
server.keepAliveTimeout = 60_000; // a client that is late must not meet a connection that is being closed
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('message', () => {
  const { instances } = proxy.router.getRoutingStats().upstream;
  process.send({ attempts: Object.fromEntries(instances.map(({ port, requests }) => [port, requests])) });
});
process.once('disconnect', () => process.exit());
