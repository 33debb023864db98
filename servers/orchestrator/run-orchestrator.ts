/** `npm run dev`: the whole fleet from one command, with a table of what started and one clear line for what did not. */
import { dirname, join, resolve } from 'node:path';
import { DiskCacheLayer } from '../../src/index.js';
import { readConfig, readEnvironment, unknownVariables } from '../support/config.js';
import type { ServiceName } from '../support/fleet.js';
import { explainStart } from '../support/run.js';
import { endOnSignals } from '../support/signals.js';
import { createOrchestrator, type Orchestrator } from './create-orchestrator.js';
import type { InstanceRecord } from './fleet-runner.js';
import { LogView } from './log-view.js';
import { StartTable } from './start-table.js';

/** Built beside this program, a file each. */
function programOf(service: ServiceName): string {
  return join(dirname(resolve(process.argv[1] ?? '')), `${service}-server.js`);
}

export async function runOrchestrator(): Promise<void> {
  const begun = performance.now();
  const screen = process.stdout;
  const logs = new LogView(screen);
  let orchestrator: Orchestrator | undefined;
  try {
    const env = readEnvironment();
    readConfig(env);
    for (const name of unknownVariables())
      screen.write(`.env: ${name} is not a setting of the fleet (.env.example lists them all)\n`);
    new DiskCacheLayer({ dbPath: ':memory:' }).destroy(); // SQLite fails here, with one explanation, rather than in nine processes
    orchestrator = await createOrchestrator({ env, programOf, onLine: logs.line });
  } catch (error) {
    process.stderr.write(`${explainStart(error, 'orchestrator')}\n`);
    process.exit(1);
  }

  const { fleet, close } = orchestrator;
  let isStopping = false;
  endOnSignals(async () => {
    isStopping = true;
    logs.release();
    screen.write('\nStopping the fleet…\n');
    await close();
    screen.write('Stopped.\n');
  });
  const table = new StartTable(screen);
  const stopShowing = fleet.onChange((instances) => table.update(instances));
  try {
    await orchestrator.start();
  } catch (error) {
    process.stderr.write(`${explainStart(error, 'orchestrator')}\n`);
    await close();
    process.exit(1);
  }
  stopShowing();
  if (isStopping) return;
  const elapsed = performance.now() - begun;
  const own = recordOf(orchestrator, elapsed);
  table.finish([...fleet.instances, own], elapsed);
  const failed = fleet.instances.filter(({ state }) => state === 'failed' || state === 'waiting');
  logs.release();
  if (failed.length > 0) await giveUp(failed, close);
  process.send?.({ type: 'ready', port: own.port });
}

/** The orchestrator's own row in the table. */
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

/** A fleet that starts in part would fail later and elsewhere: it ends now, and says why. */
async function giveUp(failed: readonly InstanceRecord[], close: () => Promise<void>): Promise<never> {
  for (const { service, reason } of failed)
    process.stderr.write(`\n${service} did not start: ${reason ?? 'it gave no reason'}\n`);
  await close();
  process.exit(1);
}
