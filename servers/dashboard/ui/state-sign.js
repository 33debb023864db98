// The state of an instance as a sign and a word.
import { stateOf } from '../model/fleet-health.ts';
import { markOf } from '../model/state-sign.ts';
import { html } from './html.js';

export function StateSign({ instance, hasWord = true }) {
  const state = stateOf(instance);
  const { sign, tone } = markOf(state);
  return html`<span class=${`state ${tone}`} title=${hasWord ? undefined : `${instance.id}: ${state}`}
    ><span aria-hidden="true">${sign}</span
    >${hasWord ? html` ${state}` : html`<span class="visually-hidden">${state}</span>`}</span
  >`;
}
