/** The schema of a service name in a path or a query: `training` or `training-server`. */
import * as z from 'zod';
import { MANAGED_SERVICES, serviceNamed, type ServiceName } from '../support/fleet.js';

export const serviceName = z.string().transform((text, context): ServiceName => {
  const name = serviceNamed(text);
  if (MANAGED_SERVICES.some((one) => one === name)) return name as ServiceName;
  context.addIssue({ code: 'custom', message: 'expected the name of a service, e.g. training or training-server' });
  return z.NEVER;
});
