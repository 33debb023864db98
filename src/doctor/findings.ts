/** What the doctor can find. docs/doctor.md has a section per code; a test keeps the two lists equal. */

/** `error`: it does harm now. `warning`: it does under load, in production or to somebody else. `note`: worth knowing. */
export type Severity = 'error' | 'warning' | 'note';

/**
 * The severity and the title of each code.
 *
 * @example
 * import { FINDINGS } from '@tooloo/resilience/doctor';
 *
 * const [severity, title] = FINDINGS.TOOLOO_DOCTOR_CONTROL_OPEN;
 */
export const FINDINGS = {
  TOOLOO_DOCTOR_UNREACHABLE: ['error', 'The server does not answer'],
  TOOLOO_DOCTOR_NO_APPLICATION: ['error', 'The module exports no application'],
  TOOLOO_DOCTOR_CONTROL_OPEN: ['error', 'A control route is open to everybody'],
  TOOLOO_DOCTOR_DETAILS_OPEN: ['warning', 'Health details are shown to everybody'],
  TOOLOO_DOCTOR_CACHE_SESSIONS: ['error', 'Responses are cached without regard to sessions'],
  TOOLOO_DOCTOR_PUBLIC_COOKIE: ['error', 'A response for everybody sets a cookie'],
  TOOLOO_DOCTOR_TRUST_ALL: ['error', 'Clients choose the address that they are limited by'],
  TOOLOO_DOCTOR_TRUST_NONE: ['note', 'No proxy is trusted'],
  TOOLOO_DOCTOR_TRUST_DIFFERS: ['warning', 'Two middleware trust different proxies'],
  TOOLOO_DOCTOR_ORDER: ['warning', 'Middleware is mounted in an order that takes its effect away'],
  TOOLOO_DOCTOR_TWICE: ['warning', 'A middleware is mounted twice for the same requests'],
  TOOLOO_DOCTOR_HEALTH_ROUTE: ['note', 'The application answers a health endpoint itself'],
  TOOLOO_DOCTOR_NO_HEALTH: ['note', 'There is no readiness endpoint'],
  TOOLOO_DOCTOR_NO_LIMIT: ['note', 'There is no rate limit'],
  TOOLOO_DOCTOR_NO_SHUTDOWN: ['warning', 'The program does not react to SIGTERM'],
  TOOLOO_DOCTOR_STORE_UNREACHABLE: ['error', 'A shared store does not answer'],
  TOOLOO_DOCTOR_SQLITE_DRIVER: ['warning', 'The SQLite driver cannot be loaded'],
  TOOLOO_DOCTOR_EMITTED: ['warning', 'The application emitted a warning while it was loaded'],
} as const satisfies Record<string, readonly [Severity, string]>;

/** The code of a finding. */
export type FindingCode = keyof typeof FINDINGS;

/** One thing that is wrong, or worth knowing. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** The observation, its place, and the remedy. */
  readonly message: string;
  /** The section that explains the code, in the documentation that comes with the package. */
  readonly page: string;
}

export function finding(code: FindingCode, message: string, page = `docs/doctor.md#${code.toLowerCase()}`): Finding {
  return { code, severity: FINDINGS[code][0], message, page };
}
