/** Runs the suites of the servers that keep data on PostgreSQL as well, each in a database of its own. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { keepFleetsIn } from '../support/fleet-server.js';
import { createPostgresDatabase, type PostgresDatabase } from '../support/postgres-database.js';
import { describeWith, postgresService } from '../support/services.js';

const WITHOUT_DATA = ['orchestrator-server.test.ts', 'web-server.test.ts'];
const SUITES = readdirSync(__dirname).filter(
  (name) => name.endsWith('-server.test.ts') && !WITHOUT_DATA.includes(name),
);

describeWith(postgresService, 'on PostgreSQL', (url) => {
  describe.each(SUITES)('%s', (name) => {
    let database: PostgresDatabase;
    beforeAll(async () => {
      database = await createPostgresDatabase(url);
      keepFleetsIn(database);
    });
    afterAll(async () => {
      keepFleetsIn(undefined);
      await database.remove();
    });
    jest.requireActual(join(__dirname, name));
  });
});
