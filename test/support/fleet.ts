/** The real fleet as a child process, on free ports and a temporary data folder. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { InstanceRecord } from '../../servers/orchestrator/fleet-runner.js';
import { portVariable, SERVICE_NAMES, type ServiceName } from '../../servers/support/fleet.js';

/** Whether a process exists and has not ended. A zombie, whose exit status was not collected, does not count. */
export { isRunning as isAlive } from '../../src/scaling/found-process.js';

const ROOT = resolve(__dirname, '../..');

/** Autoscaling is off unless a suite turns it on, so that other suites do not find more instances on a busy machine. */
const SETTINGS = { CONTROL: 'loopback', LOG_LEVEL: 'info', SCALING_INTERVAL_MS: '0' };

export const FREE_PORTS = Object.fromEntries(SERVICE_NAMES.map((name) => [portVariable(name), '0']));

export interface RunningFleet {
  readonly child: ChildProcess;
  readonly orchestrator: string;
  readonly dataDir: string;
  /** Everything it printed so far. */
  readonly output: () => string;
  instances(): Promise<InstanceRecord[]>;
  urlOf(service: ServiceName): Promise<string>;
  /** Ends it as Ctrl-C does. Settles with its exit code, its data removed. */
  stop(): Promise<number | null>;
}

/** The inputs of a build: sources, the build itself and the installed packages. */
const INPUTS = ['src', 'servers', '.ci', 'node_modules/.package-lock.json'];

const modified = (path: string): number => statSync(join(ROOT, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** When a file or a folder below `path` last changed. A folder changes when a file is added or removed. */
function latestChange(path: string): number {
  if (!statSync(join(ROOT, path), { throwIfNoEntry: false })?.isDirectory()) return modified(path);
  const below = readdirSync(join(ROOT, path), { recursive: true, encoding: 'utf8' });
  return below.reduce((latest, name) => Math.max(latest, modified(join(path, name))), modified(path));
}

/**
 * Builds the fleet as `npm run dev` does, unless the build is newer than all that it is made from: a dozen suites need it,
 * and each build takes seconds of both processors. A build is as old as its folder, which is made before the first source
 * is read.
 */
export function buildFleet(): void {
  const built = statSync(join(ROOT, 'dist/servers'), { throwIfNoEntry: false })?.birthtimeMs ?? 0;
  if (INPUTS.every((path) => latestChange(path) < built)) return;
  execFileSync(process.execPath, ['.ci/build.js', 'servers'], { cwd: ROOT, stdio: 'inherit' });
}

/** Starts the orchestrator; does not wait for anything. */
export function spawnFleet(env: Record<string, string> = {}): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, ['dist/servers/orchestrator.js'], {
    cwd: ROOT,
    env: { ...process.env, ...FREE_PORTS, ...SETTINGS, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return { child, output: () => printed };
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', (code) => resolve(code)));
}

/** Starts the fleet; settles when every service is ready. */
export async function startFleet(env: Record<string, string> = {}): Promise<RunningFleet> {
  const dataDir = env['DATA_DIR'] ?? mkdtempSync(join(tmpdir(), 'tooloo-fleet-'));
  const { child, output } = spawnFleet({ DATA_DIR: dataDir, ...env });
  const exited = exitOf(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port));
    void exited.then((code) => reject(new Error(`the fleet ended with ${code}:\n${output()}`)));
  });
  const orchestrator = `http://127.0.0.1:${port}`;
  const instances = async (): Promise<InstanceRecord[]> => {
    const answer = await fetch(`${orchestrator}/api/v1/system/instances`);
    return ((await answer.json()) as { instances: InstanceRecord[] }).instances;
  };
  return {
    child,
    orchestrator,
    dataDir,
    output,
    instances,
    async urlOf(service) {
      const found = (await instances()).find((one) => one.service === service && one.state === 'ready');
      if (found === undefined) throw new Error(`${service} is not ready:\n${output()}`);
      return `http://${found.host}:${found.port}`;
    },
    async stop() {
      child.kill('SIGINT');
      const code = await exited;
      rmSync(dataDir, { recursive: true, force: true });
      return code;
    },
  };
}
