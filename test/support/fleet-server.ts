/** Servers of the fleet for a suite: each with a folder of its own, on free ports, all gone when the suite is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateOptions, FleetServer, ServerDefinition } from '../../servers/support/service.js';
import type { PostgresDatabase } from './postgres-database.js';

export interface TestFleet {
  /** Where the servers keep their data: handing it to a server created later is a restart. */
  readonly folder: string;
  create(definition: ServerDefinition, options?: CreateOptions): Promise<FleetServer>;
  /** Creates a server and lets it listen; settles with its URL. */
  listen(definition: ServerDefinition, options?: CreateOptions): Promise<string>;
  close(): Promise<void>;
}

let database: PostgresDatabase | undefined;

/** Where fleets made from now on keep their data; undefined: in SQLite files. */
export function keepFleetsIn(place: PostgresDatabase | undefined): void {
  database = place;
}

/** An empty fleet. Close it after the suite. */
export function testFleet(): TestFleet {
  const place = database;
  const folder = mkdtempSync(join(tmpdir(), 'fleet-'));
  const servers: FleetServer[] = [];
  const create = async (definition: ServerDefinition, options: CreateOptions = {}): Promise<FleetServer> => {
    const env = {
      DATA_DIR: folder,
      LOG_LEVEL: 'silent',
      CONTROL: 'loopback',
      DATABASE_URL: place?.url,
      ...options.env,
    };
    const server = await definition.create({ ...options, env });
    servers.push(server);
    return server;
  };
  return {
    folder,
    create,
    listen: async (definition, options) => (await create(definition, options)).listen(0),
    async close() {
      // In reverse order, so that a caller is closed before the servers it calls.
      for (const server of servers.reverse()) await server.close();
      await place?.clear();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
