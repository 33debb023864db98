/**
 * `npm run dev`: starts the whole fleet with one command. It prints a table of the services, and one line for each that
 * failed to start.
 */
import { dirname, join, resolve } from 'node:path';
import { DiskCacheLayer } from '../../src/index.js';
import { readConfig, readEnvironment, unknownVariables } from '../support/config.js';
import type { ServiceName } from '../support/fleet.js';
import { explainStart } from '../support/run.js';
import { endOnSignals } from '../support/signals.js';
import { showSourcePositions } from '../support/source-positions.js';
import { controlRoomLink } from '../web/session.js';
import { createOrchestrator, type Orchestrator } from './create-orchestrator.js';
import { EXIT_HELD, FleetHeldError } from './fleet-lease.js';
import type { InstanceRecord } from './fleet-runner.js';
import { LogView } from './log-view.js';
import { StartTable } from './start-table.js';

/** The built programs are in the folder of this program, one file per service. */
function programOf(service: ServiceName): string {
  return join(dirname(resolve(process.argv[1] ?? '')), `${service}-server.js`);
}

export async function runOrchestrator(): Promise<void> {
  const begun = performance.now();
  showSourcePositions();
  const screen = process.stdout;
  const logs = new LogView(screen);
  let orchestrator: Orchestrator | undefined;
  let isDetached = false;
  try {
    const given = readEnvironment();
    const env = process.argv.includes('--detach') ? { ...given, DETACH: 'true' } : given;
    isDetached = readConfig(env).DETACH === 'true';
    for (const name of unknownVariables())
      screen.write(`.env: ${name} is not a setting of the fleet (.env.example lists them all)\n`);
    new DiskCacheLayer({ dbPath: ':memory:' }).destroy(); // checks SQLite once, not in nine processes
    orchestrator = await createOrchestrator({
      env,
      programOf,
      onLine: logs.line,
      onLost: () => process.exit(EXIT_HELD),
    });
  } catch (error) {
    process.stderr.write(`${explainStart(error, 'orchestrator')}\n`);
    process.exit(1);
  }

  const { fleet, close } = orchestrator;
  let isStopping = false;
  const stop = async (): Promise<void> => {
    isStopping = true;
    logs.release();
    screen.write('\nStopping the fleet…\n');
    await close();
    screen.write('Stopped.\n');
  };
  endOnSignals(stop, undefined, isDetached);
  screen.on('error', () => {}); // a closed terminal accepts no lines, and this must not prevent the shutdown
  const table = new StartTable(screen);
  const stopShowing = fleet.onChange((instances) => table.update(instances));
  try {
    await orchestrator.start();
  } catch (error) {
    process.stderr.write(`${explainStart(error, 'orchestrator')}\n`);
    await close();
    process.exit(error instanceof FleetHeldError ? EXIT_HELD : 1);
  }
  stopShowing();
  if (isStopping) return;
  const elapsed = performance.now() - begun;
  const own = recordOf(orchestrator, elapsed);
  table.finish([...fleet.instances, own], elapsed);
  const failed = fleet.instances.filter(({ state }) => state === 'failed' || state === 'waiting');
  const web = fleet.instancesOf('web')[0];
  if (web?.state === 'ready')
    screen.write(`Control room: ${controlRoomLink(`http://${web.host}:${web.port}`, orchestrator.controlToken)}\n`);
  logs.release();
  if (failed.length > 0) await giveUp(failed, close);
  process.send?.({ type: 'ready', port: own.port });
}

/** The row of the orchestrator itself in the table. */
function recordOf({ url }: Orchestrator, elapsed: number): InstanceRecord {
  const { hostname, port } = new URL(url);
  return {
    service: 'orchestrator',
    id: 'orchestrator',
    host: hostname,
    port: Number(port),
    state: 'ready',
    pid: process.pid,
    restarts: 0,
    readyAfterMs: Math.round(elapsed),
    reason: null,
  };
}

/** Stops a partly started fleet and says why, because it would otherwise fail later in other places. */
async function giveUp(failed: readonly InstanceRecord[], close: () => Promise<void>): Promise<never> {
  for (const { service, reason } of failed)
    process.stderr.write(`\n${service} did not start: ${reason ?? 'it gave no reason'}\n`);
  await close();
  process.exit(1);
}
