/**
 * Runs a server file as a program: it reads the settings, listens, reports to the parent process, and shuts down
 * gracefully. If the server cannot start, it prints one line that says what to do.
 */
import cluster from 'node:cluster';
import { basename } from 'node:path';
import { EXIT_CONFIG, messageOf, monotonicClock } from '../../src/index.js';
import { runWorkers } from '../workers/run-workers.js';
import { WorkerGroup } from '../workers/worker-group.js';
import { ConfigError, readConfig, readEnvironment, type Environment, type FleetConfig } from './config.js';
import { portVariable, type ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import { answersAt, watchForOrchestrator } from './parent-watch.js';
import type { FleetServer, ServerDefinition } from './service.js';
import { endOnSignals } from './signals.js';
import { showSourcePositions } from './source-positions.js';

/** Runs the server if its file is the main program of this Node process. */
export function runWhenMain(definition: ServerDefinition): void {
  if (isMain(definition.name)) void run(definition);
}

/** Whether this process was started as the server of that name. */
export function isMain(name: ServiceName): boolean {
  const file = name === 'orchestrator' ? 'orchestrator' : `${name}-server`;
  return basename(process.argv[1] ?? '').replace(/\.[cm]?[jt]s$/, '') === file;
}

/** A server of this process, or the workers that it runs. */
interface Running extends Pick<FleetServer, 'listen' | 'close'> {
  readonly log: Logger;
}

async function run(definition: ServerDefinition): Promise<void> {
  showSourcePositions();
  let server: Running | undefined;
  try {
    const env = readEnvironment();
    const config = readConfig(env);
    server = await open(definition, env, config);
    const { close, log } = server;
    endOnSignals(close, undefined, config.DETACH === 'true', cluster.isWorker);
    if (cluster.isPrimary) endWithOrchestrator(config, log, close);
    const url = await server.listen();
    process.send?.({ type: 'ready', port: Number(new URL(url).port) });
    log.info({ url }, 'ready');
  } catch (error) {
    await server?.close();
    fail(explainStart(error, definition.name), (error as { code?: unknown }).code);
  }
}

/** Only the gateway uses several processes: the other services have several instances behind it. */
async function open(definition: ServerDefinition, env: Environment, config: FleetConfig): Promise<Running> {
  const hasWorkers = definition.name === 'web' && config.WEB_WORKERS > 1;
  if (hasWorkers && cluster.isPrimary) return runWorkers(definition.name, config);
  const workers = hasWorkers ? new WorkerGroup(config.INSTANCE_ID ?? definition.name) : undefined;
  const server = await definition.create({ env, ...(workers && { workers }) });
  return { listen: () => server.listen(), close: server.close, log: server.context.log };
}

/** An instance whose orchestrator died waits for the next one, and shuts down if none starts. */
function endWithOrchestrator(config: FleetConfig, log: Logger, close: () => Promise<void>): void {
  const url = config.ORCHESTRATOR_URL;
  if (process.send === undefined || url === undefined || config.DETACH === 'true') return;
  process.once('disconnect', () => {
    watchForOrchestrator({
      clock: monotonicClock,
      isThere: () => answersAt(url),
      onGone: () => {
        log.warn({ url }, 'the orchestrator is gone: this instance ends');
        void close().finally(() => process.exit(0));
      },
    });
  });
}

/** One line that says why a server did not start and what to do about it. */
export function explainStart(error: unknown, name: ServiceName): string {
  if (error instanceof ConfigError)
    return `${error.message}\nCorrect it in .env or in the environment (.env.example lists every variable).`;
  const { code, port } = error as { code?: unknown; port?: unknown };
  if (code === 'EADDRINUSE') {
    return `port ${Number(port)} is already in use by another program: stop that program, or set ${portVariable(name)} to a free port in .env`;
  }
  const place = explainPlace(error as NodeJS.ErrnoException);
  if (place !== undefined) return place;
  if (code === 'EACCES' && port !== undefined) {
    return `port ${Number(port)} needs more rights than this user has: set ${portVariable(name)} to a port above 1023 in .env`;
  }
  return explainNativeModule(error) ?? messageOf(error);
}

/** Describes a system error about an address or a path, and names the setting to change. */
function explainPlace(error: NodeJS.ErrnoException & { hostname?: string; address?: string }): string | undefined {
  const { code, syscall, path, hostname, address } = error;
  if (syscall === 'listen' && (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EADDRNOTAVAIL'))
    return `this machine has no address '${hostname ?? address ?? ''}': set HOST to one that it has, such as 127.0.0.1, in .env`;
  if (syscall === 'getaddrinfo')
    return `the name '${hostname ?? ''}' cannot be resolved: correct the one of HOST, DATABASE_URL and REDIS_URL that contains it in .env`;
  if (path === undefined) return undefined;
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return `'${path}' is a file, and a folder is needed there: set DATA_DIR to a folder in .env`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `this user may not write to '${path}': set DATA_DIR in .env to a folder with write access`;
  return undefined;
}

/**
 * better-sqlite3 is compiled for one Node version and platform. Its different error messages all mean the same to a
 * user.
 */
function explainNativeModule(error: unknown): string | undefined {
  const message = messageOf(error);
  if (
    !/better_sqlite3|better-sqlite3|NODE_MODULE_VERSION|ERR_DLOPEN_FAILED|Could not locate the bindings/.test(message)
  )
    return undefined;
  return `the native module better-sqlite3 is missing or was built for another Node (this is ${process.version}): run "npm rebuild better-sqlite3"`;
}

/** @param code Node's error code. With it, the parent process distinguishes a port in use from other failures. */
function fail(message: string, code: unknown): void {
  if (process.send === undefined) {
    process.stderr.write(`${message}\n`);
    process.exit(EXIT_CONFIG);
  }
  process.send({ type: 'failed', message, code }, () => process.exit(EXIT_CONFIG));
}
