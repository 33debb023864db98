// Restarts or starts the service of an instance.
import { useState } from 'preact/hooks';
import { postJson } from '../state/api.js';
import { useObservable } from '../state/observable.js';
import { session } from '../state/session.js';
import { useConfirm } from '../ui/confirm.js';
import { html } from '../ui/html.js';

/** States of an instance that a start does not change. */
const RUNNING = new Set(['ready', 'starting', 'warming', 'draining']);

const ACTIONS = {
  restart: { label: 'Restart', doing: 'is restarting…', done: 'was restarted', failed: 'was not restarted' },
  start: { label: 'Start', doing: 'is starting…', done: 'was started', failed: 'was not started' },
};

export function InstanceActions({ service }) {
  const { control } = useObservable(session.access);
  const frame = useObservable(session.frame);
  const [outcome, setOutcome] = useState(undefined);
  const [isBusy, setBusy] = useState(false);
  const [ask, dialog] = useConfirm();
  const members = frame?.instances.filter((one) => one.service === service) ?? [];
  const isRunning = members.some(({ state }) => RUNNING.has(state));
  if (service === 'orchestrator' || !frame?.isOrchestrated) return null; // the orchestrator does this, not to itself

  const act = async (name) => {
    const { label, doing, done, failed } = ACTIONS[name];
    if (name === 'restart') {
      const question = { title: `Restart ${service}?`, text: restartText(service, members.length), action: label };
      if (!(await ask(question))) return;
    }
    setBusy(true);
    setOutcome({ text: `${service} ${doing}` });
    try {
      const { instances } = await postJson(`/api/v1/system/services/${encodeURIComponent(service)}/${name}`);
      const ready = instances.filter(({ state }) => state === 'ready').length;
      setOutcome({ text: `${service} ${done}: ${ready} of ${instances.length} ready.` });
    } catch (error) {
      setOutcome({ text: `${service} ${failed}: ${error.message}`, isBad: true });
    }
    setBusy(false);
  };
  const button = (name, isPossible) => html`
    <button type="button" disabled=${!control || isBusy || !isPossible} onClick=${() => act(name)}>
      ${ACTIONS[name].label} ${service}
    </button>
  `;
  return html`
    <p class="actions">${button('restart', isRunning)} ${button('start', !isRunning)}</p>
    <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
    ${dialog}
  `;
}

function restartText(service, count) {
  // Callers know only one address of the gateway, so it cannot have a substitute.
  if (service === 'web')
    return 'The gateway stops and starts again. This page and all requests to it wait or fail meanwhile.';
  if (count === 1) return 'A substitute serves while its only instance restarts.';
  return `Its ${count} instances restart one after the other. The others serve meanwhile.`;
}
