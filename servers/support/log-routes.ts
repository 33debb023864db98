/** `/api/v1/system/logs` of each server: the latest lines of the service, and of the orchestrator those of the fleet. */
import { logQuery, searchLogs, type FoundLines } from './log-search.js';
import type { LogTail } from './log-tail.js';
import { RouteTable } from './route-table.js';

export interface LogRouteParts {
  readonly logs: LogTail;
  readonly controlToken: string | undefined;
}

export function logRoutes({ logs, controlToken }: LogRouteParts): RouteTable {
  return new RouteTable('/api/v1/system', controlToken).get(
    '/logs',
    {
      summary: 'The latest log lines that are stored here, by time, level, text, instance and trace',
      query: logQuery,
      control: true,
    },
    ({ query }): FoundLines => searchLogs(logs, query),
  );
}
