import { fleetHealth, stateOf } from '../../../servers/dashboard/model/fleet-health.js';
import type { Frame, FrameInstance } from '../../../servers/web/fleet-sampler.js';

const FIGURES = {} as FrameInstance['figures'];

function instance(id: string, changes: Partial<FrameInstance> = {}): FrameInstance {
  const [service = id] = id.split('-');
  const base = { service, id, host: '127.0.0.1', port: 1, state: 'ready', pid: 1, restarts: 0, reason: null };
  return { ...base, routing: null, figures: FIGURES, ...changes };
}

function health(instances: FrameInstance[], changes: Partial<Frame> = {}) {
  const { problems, ...rest } = fleetHealth({
    ...{ at: 1, slotMs: 2000, isOrchestrated: true, missing: [], points: [], scaling: null },
    instances,
    ...changes,
  });
  return { ...rest, problems: problems.map(({ text }) => text) };
}

test('a fleet that serves has nothing to report', () => {
  expect(health([instance('web-1'), instance('training-1')])).toEqual({
    ...{ severity: 'good', ready: 2, total: 2, problems: [] },
  });
});

test('a silent instance is not ready, and a service without one that is ready is down', () => {
  const silent = instance('training-1', { figures: null });
  expect(stateOf(silent)).toBe('silent');
  expect(health([instance('web-1'), silent, instance('training-2')])).toMatchObject({
    ...{ severity: 'warn', ready: 2, total: 3, problems: ['training-1 is silent'] },
  });
  expect(health([instance('web-1'), silent])).toMatchObject({
    ...{ severity: 'bad', ready: 1, total: 2, problems: ['training is down'] },
  });
});

test('a starting or draining instance is not a problem; a failed or ejected one is', () => {
  const draining = instance('training-2', { state: 'draining' });
  expect(health([instance('training-1'), draining])).toMatchObject({ severity: 'good', ready: 1, total: 2 });
  const routing = { state: 'ejected' } as FrameInstance['routing'];
  expect(health([instance('training-1'), instance('training-2', { routing })])).toMatchObject({
    ...{ severity: 'warn', problems: ['training-2 is ejected'] },
  });
});

test('a service without any instance is the worst problem, and a missing orchestrator is a warning', () => {
  const orchestrator = instance('orchestrator', { state: 'unreachable' });
  expect(health([instance('web-1')], { missing: ['meta'] })).toMatchObject({
    ...{ severity: 'bad', problems: ['meta has no instance'] },
  });
  expect(health([instance('web-1'), orchestrator], { isOrchestrated: false })).toMatchObject({
    ...{ severity: 'warn', problems: ['the orchestrator does not answer'] },
  });
  expect(health([instance('web-1')], { isOrchestrated: false })).toMatchObject({ severity: 'warn', problems: [] });
});
