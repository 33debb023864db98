// Measures what clients notice under 2,000 requests per second while instances are killed, frozen, restarted or become
// unhealthy. Then restarts all instances one after the other while POSTs are in flight. Exits with 1 if a request
// failed.
import { OpenLoad } from './open-load.js';
import { start } from './processes.js';
import { once } from 'node:events';
import { setTimeout as pass } from 'node:timers/promises';

const RATE = Number(process.env.RATE ?? 2000);
const SECONDS = 1000;
const GET = { method: 'GET' };
const POST = { method: 'POST', body: 'x'.repeat(512) };

const now = () => performance.timeOrigin + performance.now();

class InstanceProcess {
  port = 0;
  child;

  async start() {
    ({ child: this.child, port: this.port } = await start('instance.js', String(this.port)));
  }

  signal(name) {
    this.child.kill(name);
  }

  async ended() {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}

/** Attempts the gateway has made at the instance. */
async function attempts({ port }) {
  gateway.send('attempts');
  for (;;) {
    const [message] = await once(gateway, 'message');
    if (message.attempts !== undefined) return message.attempts[port];
  }
}

/** When the gateway first said this of the instance after the fault, in milliseconds after it. */
function detection(changes, { port }, states, since) {
  const change = changes.find((one) => one.port === port && one.at >= since && states.includes(one.state));
  return change === undefined ? 'avoided, not ejected' : `${(change.at - since).toFixed(1)} ms (${change.state})`;
}

function print({ name, sent, failed, delayed, slowest, reasons }, detected, attempted) {
  const why = failed === 0 ? '' : ` (${[...reasons].map(([reason, count]) => `${reason} × ${count}`).join(', ')})`;
  console.log(
    `| ${name} | ${sent} | ${failed}${why} | ${delayed} | ${Math.round(slowest)} | ${detected} | ${attempted} |`,
  );
}

const instances = [new InstanceProcess(), new InstanceProcess(), new InstanceProcess()];
await Promise.all(instances.map((instance) => instance.start()));
const { child: gateway, port } = await start('gateway.js', ...instances.map((instance) => String(instance.port)));
const changes = [];
gateway.on('message', (message) => {
  if (message.state !== undefined) changes.push(message);
});
const origin = `http://127.0.0.1:${port}`;
await pass(1 * SECONDS); // the first checks
const [first, second, third] = instances;

let failures = 0;
console.log(`\n## Three instances, ${RATE} requests a second, one fault after the other\n`);
console.log('| fault | requests | failed | delayed over 250 ms | slowest ms | detected after | attempts at it |');
console.log('|---|---|---|---|---|---|---|');

/** Causes a fault under load and prints what came of it. */
async function during(load, name, states, instance, fault) {
  failures += (await load.stage(name)).failed;
  const before = await attempts(instance);
  const since = now();
  await fault();
  const attempted = (await attempts(instance)) - before;
  const stage = await load.stage('between');
  failures += stage.failed;
  if (states === undefined) print(stage, '', '');
  else print(stage, detection(changes, instance, states, since), attempted);
}

let load = new OpenLoad(origin, RATE);
await during(load, 'none, nothing compiled yet', undefined, first, () => pass(2 * SECONDS));
await during(load, 'none', undefined, first, () => pass(4 * SECONDS));
await during(load, 'one is killed', ['circuit-open'], first, async () => {
  first.signal('SIGKILL');
  await pass(4 * SECONDS);
  await first.start();
  await pass(3 * SECONDS);
});
await during(load, 'one is frozen for 5 s', ['stalled', 'unhealthy'], second, async () => {
  second.signal('SIGSTOP');
  await pass(5 * SECONDS);
  second.signal('SIGCONT');
  await pass(3 * SECONDS);
});
await during(load, 'one is restarted', ['unhealthy', 'circuit-open'], third, async () => {
  third.signal('SIGTERM');
  await third.ended();
  await third.start();
  await pass(2 * SECONDS);
});
await during(load, 'one answers 500', ['ejected'], first, async () => {
  first.child.send({ sick: true });
  await pass(3 * SECONDS);
  first.child.send({ sick: false });
});
failures += (await load.stop()).failed;

load = new OpenLoad(origin, RATE, [GET, POST]);
await during(load, 'all are restarted in turn, half the requests POSTs', undefined, first, async () => {
  for (const instance of instances) {
    instance.signal('SIGTERM');
    await instance.ended();
    await instance.start();
    await pass(3 * SECONDS); // until two checks have passed
  }
});
failures += (await load.stop()).failed;

gateway.disconnect();
for (const { child } of instances) child.disconnect();
process.exitCode = failures === 0 ? 0 : 1;
