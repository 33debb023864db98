// The views, by their name in the address.
import { CachesView } from './caches.js';
import { FleetView } from './fleet.js';
import { LimitsView } from './limits.js';
import { LogsView } from './logs.js';
import { QueriesView } from './queries.js';
import { ScalingView } from './scaling.js';
import { TracesView } from './traces.js';
import { TrafficView } from './traffic.js';

export const VIEW_COMPONENTS = {
  fleet: FleetView,
  traffic: TrafficView,
  traces: TracesView,
  logs: LogsView,
  caches: CachesView,
  limits: LimitsView,
  scaling: ScalingView,
  queries: QueriesView,
};

export const VIEW_TITLES = {
  fleet: 'Fleet',
  traffic: 'Traffic',
  traces: 'Traces',
  logs: 'Logs',
  caches: 'Caches',
  limits: 'Limits',
  scaling: 'Scaling',
  queries: 'Queries',
};
