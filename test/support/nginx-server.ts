/** An nginx of a test's own, on a free port, in front of servers of this machine. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './eventually.js';
import { accepts, freePort } from './free-port.js';

/** The parts of nginx's configuration that a test sets. */
export interface NginxSettings {
  /** Ports of this machine. A refused request goes to the next one. */
  readonly servers: readonly number[];
  /** Connections to the servers that are kept. Default 0. */
  readonly keptConnections?: number;
  /** Further directives of the location. */
  readonly location?: string;
}

/** What the guides recommend for a plain proxy over HTTP/1.1. */
function configuration(folder: string, port: number, settings: NginxSettings): string {
  const { servers, keptConnections = 0, location = '' } = settings;
  const upstream = servers.map((server) => `server 127.0.0.1:${server} fail_timeout=1s;`).join(' ');
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream servers { ${upstream} ${keptConnections > 0 ? `keepalive ${keptConnections};` : ''} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${location}
    }
  }
}
`;
}

export class NginxServer {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#process = child;
    this.#folder = folder;
  }

  /** Why there can be none here; undefined when there can. */
  static get unavailable(): string | undefined {
    return spawnSync('nginx', ['-v']).error === undefined ? undefined : 'no nginx is installed';
  }

  static async start(settings: NginxSettings): Promise<NginxServer> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const port = await freePort();
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(folder, port, settings));
    const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until(async () => child.exitCode !== null || (await accepts(port)), 'nginx does not listen');
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${said}`);
    return new NginxServer(port, child, folder);
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill();
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
