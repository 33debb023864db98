/** A web server with workers as a process of its own, and an origin of the test behind it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FleetInstance } from '../../servers/web/fleet-instances.js';
import { buildFleet, exitOf, FREE_PORTS } from './fleet.js';
import { freePort } from './free-port.js';

export const TOKEN = 'a-control-token-of-the-workers';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface AskOptions {
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly body?: object;
}

/** Requests over a connection of its own, so that it may reach any worker. */
export function ask(port: number, path: string, { headers, method, body }: AskOptions = {}): Promise<Answered> {
  return new Promise((resolveAnswer, reject) => {
    const given = { ...(body && { 'Content-Type': 'application/json' }), ...headers };
    const sent = request({ host: '127.0.0.1', port, path, method, headers: given, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => resolveAnswer({ status: res.statusCode ?? 0, headers: res.headers, text }));
      res.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** Answers with the number of the request, after the other requests of that moment have arrived. */
export class CountingOrigin {
  readonly #server: Server;
  readonly #counts = new Map<string, number>();
  port = 0;

  constructor(headers: Record<string, string> = {}) {
    this.#server = createServer((req, res) => {
      const path = (req.url ?? '').split('?', 1)[0]!;
      const count = this.countOf(path) + 1;
      this.#counts.set(path, count);
      const answer = (): unknown => res.writeHead(200, headers).end(String(count));
      setTimeout(answer, 100);
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  countOf(path: string): number {
    return this.#counts.get(path) ?? 0;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

export interface WebWorkers {
  readonly child: ChildProcess;
  readonly port: number;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
  get(path: string, options?: AskOptions): Promise<Answered>;
  /** A worker, as the control room shows it. */
  worker(number: number): Promise<FleetInstance>;
  close(): Promise<void>;
}

/** Starts the built web server alone, without an orchestrator. */
export async function startWebWorkers(env: Record<string, string> = {}): Promise<WebWorkers> {
  buildFleet();
  const dataDir = mkdtempSync(join(tmpdir(), 'tooloo-workers-'));
  const port = await freePort();
  const child = spawn(process.execPath, ['dist/servers/web-server.js'], {
    cwd: resolve(__dirname, '../..'),
    env: {
      ...{ ...process.env, ...FREE_PORTS, WEB_WORKERS: '2', WEB_PORT: String(port), DATA_DIR: dataDir },
      ...{ CONTROL_TOKEN: TOKEN, TRACE_SAMPLING_RATE: '1', ...env },
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const exited = exitOf(child);
  await new Promise<void>((ready, reject) => {
    child.on('message', (message) => {
      const { type, message: why } = message as { type: string; message?: string };
      if (type === 'ready') ready();
      else if (type === 'failed') reject(new Error(why));
    });
    void exited.then((code) => reject(new Error(`it ended with ${code}:\n${printed}`)));
  });
  const get = (path: string, options?: AskOptions): Promise<Answered> => ask(port, path, options);
  return {
    child,
    port,
    exited,
    output: () => printed,
    get,
    async worker(number) {
      const { status, text } = await get(`/api/v1/dashboard/instances/web-${number}`, {
        headers: { 'X-Control-Token': TOKEN },
      });
      if (status !== 200) throw new Error(`web-${number}: ${status} ${text}`);
      return (JSON.parse(text) as { instance: FleetInstance }).instance;
    },
    async close() {
      child.kill('SIGTERM');
      await exited;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
