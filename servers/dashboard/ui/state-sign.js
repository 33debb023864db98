// An instance's state as a sign and a word: never by colour alone.
import { html } from './html.js';

const SIGNS = {
  ready: ['●', 'good'],
  starting: ['◌', 'plain'],
  warming: ['◍', 'plain'],
  waiting: ['◔', 'warn'],
  draining: ['◐', 'warn'],
  stopped: ['○', 'plain'],
  failed: ['✕', 'bad'],
  unreachable: ['✕', 'bad'],
  silent: ['?', 'bad'],
  ejected: ['⊘', 'bad'],
  stalled: ['⊘', 'bad'],
  unhealthy: ['⊘', 'bad'],
  'circuit-open': ['⊘', 'bad'],
  probing: ['◑', 'warn'],
};

/** What matters most of an instance: the orchestrator's word, that it does not answer, or what the gateway thinks of it. */
export function stateOf({ state, figures, routing }) {
  if (state !== 'ready') return state;
  if (figures === null) return 'silent';
  return routing === null || routing.state === 'usable' ? state : routing.state;
}

export function StateSign({ instance, hasWord = true }) {
  const state = stateOf(instance);
  const [sign, tone] = SIGNS[state] ?? ['·', 'plain'];
  return html`<span class=${`state ${tone}`} title=${hasWord ? undefined : `${instance.id}: ${state}`}
    ><span aria-hidden="true">${sign}</span
    >${hasWord ? html` ${state}` : html`<span class="visually-hidden">${state}</span>`}</span
  >`;
}
