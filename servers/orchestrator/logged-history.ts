/** Logs what is done to the instances, at the time when it is recorded: the crash of an instance, and its restart. */
import type { ScalingHistory, ScalingRecord } from '../../src/index.js';
import type { Logger } from '../support/logger.js';
import { textOf } from './fleet-history.js';

/** A history that logs each record that it stores. */
export function loggedHistory(history: ScalingHistory, log: () => Pick<Logger, 'info' | 'warn'>): ScalingHistory {
  return {
    record(record) {
      const { service, instances } = record;
      log()[isTrouble(record) ? 'warn' : 'info']({ of: service, instances: instances.join(', ') }, textOf(record));
      history.record(record);
    },
    list: (query) => history.list(query),
    close: () => history.close(),
  };
}

function isTrouble({ event, outcome }: ScalingRecord): boolean {
  return event === 'CRASH' || event === 'CRASH_LOOP' || outcome !== 'done';
}
