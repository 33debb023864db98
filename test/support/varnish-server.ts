/** A Varnish of a test's own, on a free port, in front of a backend. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './eventually.js';
import { accepts, freePort } from './free-port.js';

export interface VarnishOptions {
  /** Of the server behind it. */
  readonly backendPort: number;
  /** A file of VCL to include. */
  readonly vcl: string;
}

/** Runs in the current folder as the current user, because Varnish's own jail needs users and folders of its own. */
const AS_IT_IS = ['-j', 'none'];

export class VarnishServer {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.#process = child;
    this.#folder = folder;
  }

  /** Why there can be none here; undefined when there can. */
  static get unavailable(): string | undefined {
    return spawnSync('varnishd', ['-V']).error === undefined ? undefined : 'no Varnish is installed';
  }

  static async start({ backendPort, vcl }: VarnishOptions): Promise<VarnishServer> {
    const folder = mkdtempSync(join(tmpdir(), 'varnish-'));
    const port = await freePort();
    const program = join(folder, 'main.vcl');
    const backend = `backend default { .host = "127.0.0.1"; .port = "${backendPort}"; }`;
    writeFileSync(program, `vcl 4.1;\n${backend}\ninclude "${vcl}";\n`);
    const place = ['-F', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', program, '-s', 'malloc,16m'];
    const child = spawn('varnishd', [...AS_IT_IS, ...place], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until(async () => child.exitCode !== null || (await accepts(port)), 'Varnish does not listen');
    if (child.exitCode !== null) throw new Error(`varnishd ended with ${child.exitCode}: ${said}`);
    return new VarnishServer(`http://127.0.0.1:${port}`, child, folder);
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
