/** Notes in the history when an instance of another service stops getting requests from this process. */
import type { IntelligentRouter, TargetState } from '../../src/index.js';
import type { History } from './history.js';

const REASONS: Partial<Record<TargetState, string>> = {
  'circuit-open': 'circuit opened',
  ejected: 'ejected because requests failed',
  stalled: 'stalled',
};

/** The router ends the subscription when it closes. */
export function noteUnavailable(router: IntelligentRouter, history: Pick<History, 'note'>): void {
  router.onTargetChange(({ service, target, state }) => {
    const reason = REASONS[state];
    if (reason !== undefined) history.note('circuit', `${service} ${target.authority}: ${reason}`);
  });
}
