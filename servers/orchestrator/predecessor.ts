/**
 * Handles the instances that a killed orchestrator left running. Each instance is recorded while it runs. The next
 * orchestrator adopts those that it would start in the same way, and stops the others.
 */
import { hostname } from 'node:os';
import type { Kysely } from 'kysely';
import type { HorizontalScalingManager, ScalingDriver } from '../../src/index.js';
import { createLeaseTable, type LeaseSchema } from '../support/lease.js';
import type { Migration } from '../support/database.js';
import type { InstanceRecord } from './fleet-runner.js';

export interface OrchestratorSchema extends LeaseSchema {
  running_instances: {
    id: string;
    service: string;
    host: string;
    port: number;
    pid: number;
    state: string;
    /** Fingerprint of its program and settings, to compare it with a new start. */
    fingerprint: string;
    /** The URL at which it expects the orchestrator. */
    orchestrator_url: string;
    /** The host it runs on, because orchestrators on several hosts may share a database. */
    machine: string;
  };
}

export type LeftInstance = OrchestratorSchema['running_instances'];

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
  {
    name: '002-origin-of-instances',
    async up(db) {
      // The records of an earlier version do not contain enough to adopt an instance.
      await db.schema.dropTable('running_instances').execute();
      await db.schema
        .createTable('running_instances')
        .addColumn('machine', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('service', 'text', (column) => column.notNull())
        .addColumn('host', 'text', (column) => column.notNull())
        .addColumn('port', 'integer', (column) => column.notNull())
        .addColumn('pid', 'integer', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('fingerprint', 'text', (column) => column.notNull())
        .addColumn('orchestrator_url', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('running_instances_by_machine', ['machine', 'id'])
        .execute();
    },
  },
  { name: '003-lease', up: createLeaseTable },
];

/** How long a process may take to identify itself, in ms. */
const ANSWER_TIMEOUT = 5_000;

/** The instances recorded by the previous orchestrator on this machine. */
export function leftInstances(db: Kysely<OrchestratorSchema>): Promise<LeftInstance[]> {
  return db.selectFrom('running_instances').selectAll().where('machine', '=', hostname()).execute();
}

/**
 * Records the running instances.
 *
 * @param mayWrite called in the same transaction, because an orchestrator that lost the fleet must not overwrite the
 * record of its successor
 */
export async function recordInstances(
  db: Kysely<OrchestratorSchema>,
  instances: readonly InstanceRecord[],
  origin: (instance: InstanceRecord) => Pick<LeftInstance, 'fingerprint' | 'orchestrator_url'>,
  mayWrite: (tx: Kysely<OrchestratorSchema>) => Promise<boolean>,
): Promise<void> {
  const machine = hostname();
  const running = instances.flatMap((one) => {
    const { id, service, host, port, pid, state } = one;
    return pid === null ? [] : [{ id, service, host, port, pid, state, machine, ...origin(one) }];
  });
  await db.transaction().execute(async (tx) => {
    if (!(await mayWrite(tx))) return;
    await tx.deleteFrom('running_instances').where('machine', '=', machine).execute();
    if (running.length > 0) await tx.insertInto('running_instances').values(running).execute();
  });
}

export interface Takeover {
  readonly adopted: readonly string[];
  readonly ended: readonly string[];
}

/**
 * Adopts or stops the instances that were left.
 *
 * @param isCurrent whether a start now would give the same instance
 */
export async function takeOver(
  left: readonly LeftInstance[],
  manager: HorizontalScalingManager,
  driver: ScalingDriver,
  isCurrent: (instance: LeftInstance) => boolean,
): Promise<Takeover> {
  const adopted: string[] = [];
  const ended: string[] = [];
  await Promise.all(
    left.map(async (one) => {
      if (!(await isStill(one))) return;
      const { id, service, host, port, pid } = one;
      const found = { id, service, host, port, pid };
      if (one.state === 'ready' && isCurrent(one) && (await manager.adopt(found))) adopted.push(id);
      else {
        const instance = driver.adopt?.(found);
        if (instance === undefined) return;
        await driver.stop(instance);
        ended.push(id);
      }
    }),
  );
  return { adopted, ended };
}

/** Whether that instance still listens there, and not another process that got its port or its PID. */
async function isStill({ host, port, pid, service, id }: LeftInstance): Promise<boolean> {
  try {
    const answer = await fetch(`http://${host}:${port}/api/v1/system/load`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT),
    });
    const body = (await answer.json()) as { pid?: unknown; service?: unknown; instance?: unknown };
    return body.pid === pid && body.service === service && body.instance === id;
  } catch {
    return false;
  }
}
