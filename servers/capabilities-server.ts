/** The capabilities service (3009): the capabilities that the running services actually offer. */
import { randomUUID } from 'node:crypto';
import { absorb } from './capabilities/absorb.js';
import { capabilityRoutes } from './capabilities/capability-routes.js';
import { discover } from './capabilities/discovery.js';
import { capabilitiesMigrations, type CapabilitiesSchema } from './capabilities/schema.js';
import { leaseOn } from './support/lease.js';
import { repeatingTask } from './support/repeating-task.js';
import { defineServer, runWhenMain } from './support/service.js';

/** Interval of the checks, delay of the first check, and duration of the lease, in ms. */
const INTERVAL = 30_000;
const FIRST = 2_000;
const LEASE = 60_000;

export const capabilitiesServer = defineServer<CapabilitiesSchema>({
  name: 'capabilities',
  migrations: capabilitiesMigrations,
  routes: (context) => {
    const { db, clock, log, controlToken } = context;
    const client = context.client.bind(context);
    const lease = leaseOn(db, 'discovery', randomUUID(), LEASE);
    const discovery = repeatingTask({
      clock,
      interval: INTERVAL,
      firstAfter: FIRST,
      maxBackoff: 2 * INTERVAL,
      onError: (err) => log.warn({ err }, 'the capabilities of the services could not be requested'),
      run: async () => {
        if (await lease.hold(clock.now())) await absorb(db, await discover(client), clock.now());
      },
    });
    return {
      routes: [capabilityRoutes({ db, client, clock, controlToken })],
      close: async () => {
        await discovery.close();
        await lease.release();
      },
    };
  },
});

runWhenMain(capabilitiesServer);
