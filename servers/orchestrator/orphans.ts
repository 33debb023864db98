/**
 * What an orchestrator that was killed left running. Each instance is written down while it runs; at its start an
 * orchestrator ends those of its predecessor, whose output and ends nobody would see any more.
 */
import type { Kysely } from 'kysely';
import type { Migration } from '../support/database.js';
import type { InstanceRecord } from './fleet-runner.js';

export interface OrchestratorSchema {
  running_instances: { id: string; service: string; host: string; port: number; pid: number };
}

export const orchestratorMigrations: readonly Migration[] = [
  {
    name: '001-running-instances',
    async up(db) {
      await db.schema
        .createTable('running_instances')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('service', 'text', (column) => column.notNull())
        .addColumn('host', 'text', (column) => column.notNull())
        .addColumn('port', 'integer', (column) => column.notNull())
        .addColumn('pid', 'integer', (column) => column.notNull())
        .execute();
    },
  },
];

type Orphan = OrchestratorSchema['running_instances'];

/** How long a process may take to say who it is, and to end when asked, in ms. */
const ANSWER_TIMEOUT = 1_000;
const END_TIMEOUT = 5_000;
const LOOK_AGAIN = 50;

/** Writes down which instances run now. */
export async function recordInstances(
  db: Kysely<OrchestratorSchema>,
  instances: readonly InstanceRecord[],
): Promise<void> {
  const running = instances.flatMap(({ id, service, host, port, pid }) =>
    pid === null ? [] : [{ id, service, host, port, pid }],
  );
  await db.transaction().execute(async (tx) => {
    await tx.deleteFrom('running_instances').execute();
    if (running.length > 0) await tx.insertInto('running_instances').values(running).execute();
  });
}

/** Ends what a predecessor left. Settles with those that were there. */
export async function endOrphans(db: Kysely<OrchestratorSchema>): Promise<Orphan[]> {
  const recorded = await db.selectFrom('running_instances').selectAll().execute();
  const ended = await Promise.all(
    recorded.map(async (orphan) => ((await isStill(orphan)) ? endProcess(orphan) : undefined)),
  );
  await recordInstances(db, []);
  return ended.filter((orphan) => orphan !== undefined);
}

/** Whether the process of that number is still that instance, and not somebody's who got the number after it. */
async function isStill({ host, port, pid, service }: Orphan): Promise<boolean> {
  if (!isAlive(pid)) return false;
  try {
    const answer = await fetch(`http://${host}:${port}/api/v1/system/observability`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT),
    });
    const body = (await answer.json()) as { pid?: unknown; service?: unknown };
    return body.pid === pid && body.service === service;
  } catch {
    return false;
  }
}

async function endProcess(orphan: Orphan): Promise<Orphan> {
  kill(orphan.pid, 'SIGTERM');
  for (let waited = 0; waited < END_TIMEOUT && isAlive(orphan.pid); waited += LOOK_AGAIN) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
  kill(orphan.pid, 'SIGKILL');
  return orphan;
}

function isAlive(pid: number): boolean {
  return kill(pid, 0);
}

/** False when there is no such process (any more). */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
