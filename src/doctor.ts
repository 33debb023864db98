/**
 * `@tooloo/resilience/doctor`: looks at an application, a running server or an environment, and says what is wrong.
 * `npx tooloo-doctor` is the same as a command.
 *
 * @module
 */
export { examineApplication } from './doctor/application-checks.js';
export { examineEnvironment } from './doctor/environment-checks.js';
export { FINDINGS, type Finding, type FindingCode, type Severity } from './doctor/findings.js';
export { DOCTOR_USAGE, runDoctor, type DoctorHost } from './doctor/program.js';
export { examineServer } from './doctor/server-checks.js';
