/**
 * What a server file does when it is started as a program: read the settings, listen, tell whoever started it, and end
 * in order. Whatever keeps it from starting is one line that says what to do.
 */
import { basename } from 'node:path';
import { EXIT_CONFIG, messageOf } from '../../src/index.js';
import { ConfigError, readConfig, readEnvironment } from './config.js';
import { portVariable, type ServiceName } from './fleet.js';
import type { FleetServer, ServerDefinition } from './service.js';
import { endOnSignals } from './signals.js';

/** Runs the server if its file is the program Node was started with. */
export function runWhenMain(definition: ServerDefinition): void {
  if (isMain(definition.name)) void run(definition);
}

/** Whether this process was started to be the server of that name. */
export function isMain(name: ServiceName): boolean {
  const file = name === 'orchestrator' ? 'orchestrator' : `${name}-server`;
  return basename(process.argv[1] ?? '').replace(/\.[cm]?[jt]s$/, '') === file;
}

async function run(definition: ServerDefinition): Promise<void> {
  let server: FleetServer | undefined;
  try {
    const env = readEnvironment();
    readConfig(env);
    server = await definition.create({ env });
    const { close } = server;
    endOnSignals(close);
    const url = await server.listen();
    process.send?.({ type: 'ready', port: Number(new URL(url).port) });
    server.context.log.info({ url }, 'ready');
  } catch (error) {
    await server?.close();
    fail(explainStart(error, definition.name), (error as { code?: unknown }).code);
  }
}

/** One line on why a server did not start and what to do about it. */
export function explainStart(error: unknown, name: ServiceName): string {
  if (error instanceof ConfigError)
    return `${error.message}\nCorrect it in .env or in the environment (.env.example lists every variable).`;
  const { code, port } = error as { code?: unknown; port?: unknown };
  if (code === 'EADDRINUSE') {
    return `port ${Number(port)} is already in use by another program: stop that program, or set ${portVariable(name)} to a free port in .env`;
  }
  if (code === 'EACCES' && port !== undefined) {
    return `port ${Number(port)} needs more rights than this user has: set ${portVariable(name)} to a port above 1023 in .env`;
  }
  return explainNativeModule(error) ?? messageOf(error);
}

/** better-sqlite3 is compiled for one Node and one platform; whatever else it says means the same to a user. */
function explainNativeModule(error: unknown): string | undefined {
  const message = messageOf(error);
  if (
    !/better_sqlite3|better-sqlite3|NODE_MODULE_VERSION|ERR_DLOPEN_FAILED|Could not locate the bindings/.test(message)
  )
    return undefined;
  return `the native module better-sqlite3 is missing or was built for another Node (this is ${process.version}): run "npm rebuild better-sqlite3"`;
}

/** @param code Node's, by which whoever started this process tells a port in use from other failures */
function fail(message: string, code: unknown): void {
  if (process.send === undefined) {
    process.stderr.write(`${message}\n`);
    process.exit(EXIT_CONFIG);
  }
  process.send({ type: 'failed', message, code }, () => process.exit(EXIT_CONFIG));
}
