/** Twenty shutdowns in a row under traffic, with a network that takes ten milliseconds each way: `npm run test:chaos`. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { until } from '../support/eventually.js';
import { NginxServer } from '../support/nginx-server.js';
import { testWhereBuilt } from '../support/services.js';
import { CHECK_INTERVAL, Clients, Instance } from './draining.js';

jest.setTimeout(600_000);

const SHUTDOWNS = 20;
const CLIENTS = 20;
/** Requests that an instance has answered before it is shut down. */
const WARM = 100;

const rows: string[] = [];
afterAll(() => {
  const head = '| clients are connected to | shutdowns | requests | lost |\n| --- | --- | --- | --- |';
  process.stdout.write(`\n${head}\n${rows.join('\n')}\n`);
});

/** Expects that nothing was lost, and adds a row to the table of docs/reliability.md. */
function account(where: string, answered: number, lost: readonly string[]): void {
  rows.push(`| ${where} | ${SHUTDOWNS} | ${answered + lost.length} | ${lost.length} |`);
  expect(lost).toEqual([]);
}

/** Replaces one of two instances after the other while the clients keep sending through a balancer. */
async function replaceInTurn(instances: Instance[], port: number, where: string): Promise<void> {
  const clients = new Clients(CLIENTS, port);
  for (let i = 0; i < SHUTDOWNS; i++) {
    const at = i % instances.length;
    await until(() => instances.every(({ served }) => served >= WARM), 'an instance gets no requests');
    const leaving = instances[at]!;
    await leaving.shutdown();
    instances[at] = await Instance.start(leaving.port);
  }
  await clients.end();
  account(where, clients.answered, clients.lost);
}

test('clients that stay on their connections', async () => {
  let answered = 0;
  const lost: string[] = [];
  for (let i = 0; i < SHUTDOWNS; i++) {
    const instance = await Instance.start();
    const clients = new Clients(CLIENTS, instance.port);
    await until(() => clients.answered >= WARM, 'the clients get no answers');
    clients.stay();
    await instance.shutdown();
    await clients.ended();
    answered += clients.answered;
    lost.push(...clients.lost);
  }
  account('the instance', answered, lost);
});

testWhereBuilt(NginxServer.unavailable, 'clients of nginx', async () => {
  const instances = [await Instance.start(), await Instance.start()];
  const nginx = await NginxServer.start({ servers: instances.map(({ port }) => port), keptConnections: 32 });
  try {
    await replaceInTurn(instances, nginx.port, 'nginx');
  } finally {
    await Promise.all(instances.map((instance) => instance.shutdown()));
    await nginx.stop();
  }
});

test('clients of proxyBalanced', async () => {
  const instances = [await Instance.start(), await Instance.start()];
  const proxy = proxyBalanced({
    targets: instances.map(({ port }) => `http://127.0.0.1:${port}`),
    health: { checkInterval: CHECK_INTERVAL },
  });
  const gateway = createServer(compose(proxy)).listen(0, '127.0.0.1');
  await once(gateway, 'listening');
  try {
    await replaceInTurn(instances, (gateway.address() as AddressInfo).port, '`proxyBalanced`');
  } finally {
    gateway.closeAllConnections();
    gateway.close();
    await proxy.close();
    await Promise.all(instances.map((instance) => instance.shutdown()));
  }
});
