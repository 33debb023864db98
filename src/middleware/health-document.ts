/** The document of a health endpoint in the format `application/health+json`. */
import type { ProbeReport } from '../health/probe-report.js';
import type { ProbeResult } from '../health/probe.js';

/** The details of one probe, named as the health+json format names them (draft-inadarei-api-health-check §4). */
function describeCheck({ kind, critical, status, observedValue, observedUnit, output, duration, time }: ProbeResult) {
  const rounded = duration === undefined ? undefined : Math.round(duration);
  return { componentType: kind, critical, status, observedValue, observedUnit, output, duration: rounded, time };
}

/** All probes and their results. */
export function describe(status: string, report: ProbeReport, serviceName: string | undefined): object {
  const checks: Record<string, object[]> = {};
  for (const check of report.checks) (checks[check.name] ??= []).push(describeCheck(check));
  const { started, live, ready, draining } = report;
  return {
    status,
    serviceId: serviceName,
    started,
    live,
    ready,
    draining,
    uptime: Math.round(process.uptime()),
    checks,
  };
}
