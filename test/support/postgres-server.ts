/** A PostgreSQL server of the test's own, on a free port, that it may stop and start. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.js';
import { cert, key } from './tls.js';

const DEBIAN_VERSIONS = '/usr/lib/postgresql';

/** The folder with `initdb` and `postgres`: of the newest version that Debian keeps beside the others, or on the PATH. */
function findBinaries(): string | undefined {
  const versions = existsSync(DEBIAN_VERSIONS)
    ? readdirSync(DEBIAN_VERSIONS).sort((a, b) => Number(b) - Number(a))
    : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN_VERSIONS, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** The server refuses to run as root: as root it runs as the user `postgres`, or `nobody`. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string, user: string): number =>
    Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout || NaN);
  const user = ['postgres', 'nobody'].find((name) => Number.isInteger(idOf('-u', name)));
  return user === undefined ? {} : { uid: idOf('-u', user), gid: idOf('-g', user) };
}

export class PostgresServer {
  readonly url: string;
  readonly #binaries: string;
  readonly #folder: string;
  readonly #port: number;
  readonly #user = serverUser();
  readonly #settings: string[] = [];
  #process: ChildProcess | undefined;

  private constructor(binaries: string, folder: string, port: number) {
    this.#binaries = binaries;
    this.#folder = folder;
    this.#port = port;
    this.url = `postgres://tester@127.0.0.1:${port}/postgres`;
  }

  /** Why there can be none here; undefined when there can. */
  static get unavailable(): string | undefined {
    return findBinaries() === undefined ? 'no PostgreSQL server is installed' : undefined;
  }

  /** Makes a database of its own and starts a server on it; with `tls`, one that has the certificate of tls.ts. */
  static async create({ tls = false } = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
    const server = new PostgresServer(findBinaries()!, folder, await freePort());
    const { uid, gid } = server.#user;
    if (uid !== undefined) chownSync(folder, uid, gid!);
    const initdb = spawnSync(
      join(server.#binaries, 'initdb'),
      ['-D', join(folder, 'data'), '-U', 'tester', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
      { ...server.#user, cwd: folder, encoding: 'utf8' },
    );
    if (initdb.status !== 0) throw new Error(`initdb failed: ${initdb.stderr}`);
    if (tls) server.#certify();
    await server.start();
    return server;
  }

  /** The server accepts a key that no other user can read. */
  #certify(): void {
    const { uid, gid } = this.#user;
    for (const [name, text] of Object.entries({ 'server.key': key, 'server.crt': cert })) {
      const file = join(this.#folder, name);
      writeFileSync(file, text, { mode: 0o600 });
      if (uid !== undefined) chownSync(file, uid, gid!);
      this.#settings.push(`ssl_${name === 'server.key' ? 'key' : 'cert'}_file=${file}`);
    }
    this.#settings.push('ssl=on');
  }

  /** Starts the server; resolves when it accepts connections. */
  async start(): Promise<void> {
    const settings = [
      `port=${this.#port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#folder}`,
      'fsync=off',
      ...this.#settings,
    ];
    const started = spawn(
      join(this.#binaries, 'postgres'),
      ['-D', join(this.#folder, 'data'), ...settings.flatMap((setting) => ['-c', setting])],
      { ...this.#user, cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#process = started;
    const log: string[] = [];
    for await (const line of createInterface({ input: started.stderr })) {
      log.push(line);
      if (line.includes('ready to accept connections')) break;
    }
    if (!log.at(-1)?.includes('ready')) throw new Error(`postgres did not start: ${log.join('\n')}`);
    started.stderr.resume();
  }

  /** Stops the server: 'fast' ends every session properly, 'kill' as a crash would. */
  async stop(how: 'fast' | 'kill' = 'fast'): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
  }

  /** Stops the server and removes its files. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
