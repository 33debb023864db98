/** The command `tooloo-doctor`: looks at a running server or at a module, and prints what it found. */
import { Server } from 'node:net';
import { resolve } from 'node:path';
import { messageOf } from '../shared/errors.js';
import { examineApplication } from './application-checks.js';
import { examineEnvironment } from './environment-checks.js';
import { finding, FINDINGS, type Finding, type Severity } from './findings.js';
import { examineServer } from './server-checks.js';

/** What the command needs of the process that runs it. */
export interface DoctorHost {
  /** Imports a module, given by its absolute path. */
  readonly load: (path: string) => Promise<unknown>;
  readonly print: (line: string) => void;
}

/**
 * The help text of the command.
 *
 * @example
 * import { DOCTOR_USAGE } from '@tooloo/resilience/doctor';
 *
 * console.log(DOCTOR_USAGE);
 */
export const DOCTOR_USAGE = `Usage: tooloo-doctor [--json] <address | module>

  tooloo-doctor http://127.0.0.1:3000/account   looks at a running server, and at this page of it
  tooloo-doctor ./app.js                        loads the module, without letting it listen, and looks at its application

The application is the default export, or the export 'app', 'server' or 'handler', or what the module would serve.
Exits with 1 if there is an error or a warning, and with 2 for wrong arguments.`;

const EXPORTS = ['default', 'app', 'server', 'handler'];

/** The handler of the requests: an application, or the listener of a server. */
function applicationOf(value: unknown): unknown {
  if (value instanceof Server) return value.listeners('request')[0];
  if (typeof value === 'function') return value;
  return undefined;
}

/** A module in CommonJS has its exports as the default, beside or instead of names. */
function applicationIn(exported: unknown): unknown {
  const places = [exported, (exported as { default?: unknown } | undefined)?.default];
  for (const place of places) {
    if (typeof place !== 'object' && typeof place !== 'function') continue;
    for (const name of EXPORTS) {
      const found = applicationOf((place as Record<string, unknown> | null)?.[name]);
      if (found !== undefined) return found;
    }
  }
  return applicationOf(exported);
}

/** Loads the module. No server it makes listens: they are kept, since what they serve is what is looked at. */
async function loadQuietly(path: string, load: DoctorHost['load']) {
  const servers: Server[] = [];
  const emitted: Array<Error & { code?: string }> = [];
  const note = (warning: Error): void => void emitted.push(warning);
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is put back, never called
  const { listen } = Server.prototype;
  const keep = function (this: Server): Server {
    servers.push(this);
    return this;
  };
  Server.prototype.listen = keep;
  process.on('warning', note);
  try {
    const exported = await load(path);
    await new Promise((settled) => setImmediate(settled)); // warnings are emitted a moment later
    return { application: applicationIn(exported) ?? applicationOf(servers[0]), emitted };
  } finally {
    Server.prototype.listen = listen;
    process.off('warning', note);
  }
}

function emittedFinding({ code, message }: { readonly code?: string; readonly message: string }): Finding {
  return finding('TOOLOO_DOCTOR_EMITTED', `${code}: ${message}`, `docs/errors.md#${code?.toLowerCase() ?? ''}`);
}

async function examineModule(path: string, load: DoctorHost['load']): Promise<readonly Finding[]> {
  const listenersBefore = process.listenerCount('SIGTERM');
  const { application, emitted } = await loadQuietly(resolve(path), load);
  if (application === undefined) {
    return [finding('TOOLOO_DOCTOR_NO_APPLICATION', `${path} exports no application, and starts no server.`)];
  }
  const found = [...(await examineApplication(application)), ...(await examineEnvironment())];
  if (process.listenerCount('SIGTERM') === listenersBefore) {
    const message =
      'Requests in flight are lost when the process is stopped. Call `health.shutdown(server)` on SIGTERM.';
    found.push(finding('TOOLOO_DOCTOR_NO_SHUTDOWN', message));
  }
  return [...found, ...emitted.filter(({ code }) => code?.startsWith('TOOLOO_')).map(emittedFinding)];
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, note: 2 };

function report(findings: readonly Finding[], print: DoctorHost['print']): void {
  for (const { code, severity, message, page } of findings) {
    print(`${severity.padEnd(8)} ${FINDINGS[code][1]}`);
    print(`         ${message}`);
    print(`         ${code}, ${page}`);
  }
  const counts = (Object.keys(RANK) as Severity[]).map((one) => {
    const count = findings.filter(({ severity }) => severity === one).length;
    return `${count} ${one}${count === 1 ? '' : 's'}`;
  });
  print(findings.length === 0 ? 'Nothing found.' : counts.join(', '));
}

/**
 * Runs the command.
 *
 * @returns the exit code
 *
 * @example
 * import { runDoctor } from '@tooloo/resilience/doctor';
 *
 * const host = { load: (path: string): Promise<unknown> => import(path), print: console.log };
 * process.exitCode = await runDoctor(['--json', 'http://127.0.0.1:3000/'], host);
 */
export async function runDoctor(args: readonly string[], { load, print }: DoctorHost): Promise<number> {
  const targets = args.filter((one) => !one.startsWith('-'));
  const target = targets[0];
  const unknown = args.find((one) => one.startsWith('-') && one !== '--json');
  if (target === undefined || targets.length > 1 || unknown !== undefined) {
    print(DOCTOR_USAGE);
    return args.includes('--help') ? 0 : 2;
  }
  let findings: readonly Finding[];
  try {
    findings = /^https?:\/\//i.test(target) ? await examineServer(target) : await examineModule(target, load);
  } catch (error) {
    print(`tooloo-doctor: ${target} cannot be loaded: ${messageOf(error)}`);
    return 2;
  }
  const sorted = [...findings].sort((a, b) => RANK[a.severity] - RANK[b.severity]);
  if (args.includes('--json')) print(JSON.stringify(sorted, undefined, 2));
  else report(sorted, print);
  return sorted.some(({ severity }) => severity !== 'note') ? 1 : 0;
}
