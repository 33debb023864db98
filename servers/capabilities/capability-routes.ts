/** `/api/v1/capabilities`: the capabilities of the running services, whether they are active, and their history. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import { ResilienceError, type Clock } from '../../src/index.js';
import { textField } from '../support/fields.js';
import { serviceNamed } from '../support/fleet.js';
import { newestFirst, pageLimit } from '../support/paging.js';
import { RouteTable } from '../support/route-table.js';
import { absorb } from './absorb.js';
import {
  countsByService,
  eventCounts,
  getCapability,
  listCapabilities,
  listEvents,
  listServices,
  setActive,
} from './capability-store.js';
import { discover, probe, type Client } from './discovery.js';
import { insightsFrom } from './insights.js';
import type { CapabilitiesSchema } from './schema.js';

const WEEK = 7 * 24 * 3_600_000;
const BRIEFLY = 'public, max-age=5, stale-while-revalidate=30';

const id = textField(300);
const service = textField(50);
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const switchBody = z.strictObject({ id, reason: textField(500).nullable().default(null) });

export interface CapabilitiesParts {
  readonly db: Kysely<CapabilitiesSchema>;
  readonly client: Client;
  readonly clock: Clock;
  readonly controlToken: string | undefined;
}

/** The routes, using this database and the services that `client` calls. */
export function capabilityRoutes({ db, client, clock, controlToken }: CapabilitiesParts): RouteTable {
  return new RouteTable('/api/v1/capabilities', controlToken)
    .get(
      '/discovered',
      { summary: 'The capabilities that the running services offer now', cacheControl: BRIEFLY },
      async () => {
        const found = await discover(client);
        await absorb(db, found, clock.now());
        return { at: clock.now(), services: found };
      },
    )
    .get(
      '/list',
      {
        summary: 'Every capability ever seen, with its state',
        query: z.object({
          service: service.optional(),
          active: flag.optional(),
          present: flag.optional(),
          after: id.optional(),
          limit: pageLimit,
        }),
      },
      ({ query }) => listCapabilities(db, query, query.after ?? '', query.limit),
    )
    .get('/status', { summary: 'Capabilities and services in numbers' }, async () => {
      const [counts, services] = await Promise.all([countsByService(db), listServices(db)]);
      const total = (key: 'known' | 'active' | 'present') => counts.reduce((sum, count) => sum + count[key], 0);
      const reachable = services.filter((one) => one.reachable).length;
      const numbers = { known: total('known'), active: total('active'), present: total('present'), reachable };
      return { status: numbers, services, capabilities: counts };
    })
    .post(
      '/activate',
      {
        summary: 'Mark a capability active, after seeing that its service offers it and that it answers',
        body: switchBody,
        control: true,
      },
      async ({ body }) => {
        const capability = await getCapability(db, body.id);
        const name = serviceNamed(capability.service);
        if (name !== undefined) await absorb(db, await discover(client, [name]), clock.now());
        if (name === undefined || !(await getCapability(db, body.id)).present) {
          throw new ResilienceError('CONFLICT', `${capability.service} no longer offers '${body.id}'`);
        }
        const probed = await probe(client, name, capability, () => clock.now());
        return { ...(await setActive(db, body.id, true, body.reason, clock.now())), probe: probed ?? null };
      },
    )
    .post('/deactivate', { summary: 'Mark a capability inactive', body: switchBody, control: true }, ({ body }) =>
      setActive(db, body.id, false, body.reason, clock.now()),
    )
    .get(
      '/history',
      {
        summary: 'The history of capabilities and services, newest first',
        query: z.object({ service: service.optional(), capability: id.optional(), ...newestFirst }),
      },
      ({ query }) => listEvents(db, query, query.before, query.limit),
    )
    .get('/insights', { summary: 'The findings of the last week', cacheControl: BRIEFLY }, async () => {
      const [services, counts, events] = await Promise.all([
        listServices(db),
        countsByService(db),
        eventCounts(db, clock.now() - WEEK),
      ]);
      return { insights: insightsFrom(services, counts, events) };
    });
}
