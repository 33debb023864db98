/** The combined result of the probes: whether to restart the service, whether it may get traffic, and its status. */
import type { Probe, ProbeKind, ProbeResult } from './probe.js';

/** Every probe and what follows from them. */
export interface ProbeReport {
  /** `pass`; `warn` when something not critical fails; `fail` when not live or not ready. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** Every critical start-up probe has passed. */
  readonly started: boolean;
  /** No critical liveness probe fails. While starting up, always. */
  readonly live: boolean;
  /** Started, live, not draining, and every critical readiness and resource probe passes; what is unknown does not. */
  readonly ready: boolean;
  readonly draining: boolean;
  readonly checks: readonly ProbeResult[];
}

/** Combines the latest results of these probes. Without probes, the service is ready. */
export function reportOn(probes: readonly Probe[], draining: boolean): ProbeReport {
  const critical = (kind: ProbeKind): Probe[] => probes.filter((probe) => probe.critical && probe.kind === kind);
  const started = critical('startup').every((probe) => probe.passedStartup);
  const live = !started || critical('liveness').every((probe) => probe.result.status !== 'fail');
  const passing = [...critical('readiness'), ...critical('resource')].every(hasPassed);
  const ready = started && live && passing && !draining;
  const warned = probes.some((probe) => probe.result.status === 'warn' || probe.result.status === 'fail');
  return {
    status: ready ? (warned ? 'warn' : 'pass') : 'fail',
    started,
    live,
    ready,
    draining,
    checks: probes.map((probe) => probe.result),
  };
}

/** Whether the latest answer lets traffic come: a warning does, none does not. */
export function hasPassed({ result }: Probe): boolean {
  return result.status === 'pass' || result.status === 'warn';
}
