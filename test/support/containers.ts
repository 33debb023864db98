/** Containers of the fleet's image, run by Docker or Podman as deploy/ has them run. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** `docker` or `podman`, or the path of either. */
const ENGINE = process.env.CONTAINER_ENGINE ?? 'docker';
const IMAGE = process.env.FLEET_IMAGE ?? 'tooloo/fleet:0.1.0';

/** The options that restrict a container as Compose and the pods do. */
const CONFINED = ['--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', '--security-opt=no-new-privileges'];

const isThere = spawnSync(ENGINE, ['image', 'inspect', IMAGE], { stdio: 'ignore' }).status === 0;

/** Why no container can be run here; undefined when one can. */
export const imageUnavailable = isThere ? undefined : `${ENGINE} has no image ${IMAGE}`;

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the engine; what it prints and how it ends. */
async function engine(...args: string[]): Promise<Ended> {
  const child = spawn(ENGINE, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: code === 0 ? output.trim() : errors.trim() };
}

async function must(...args: string[]): Promise<string> {
  const { code, output } = await engine(...args);
  if (code !== 0) throw new Error(`${ENGINE} ${args.join(' ')}: ${output}`);
  return output;
}

export interface ContainerOptions {
  /** The port in it that is wanted here. */
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the whole fleet. */
  readonly args?: readonly string[];
}

export class Container {
  readonly url: string;
  readonly #id: string;

  private constructor(id: string, url: string) {
    this.#id = id;
    this.url = url;
  }

  static async run({ port, env = {}, args = [] }: ContainerOptions): Promise<Container> {
    const variables = Object.entries(env).map(([name, value]) => `--env=${name}=${value}`);
    const id = await must('run', '--detach', `--publish=127.0.0.1::${port}`, ...CONFINED, ...variables, IMAGE, ...args);
    const address = await must('port', id, `${port}/tcp`);
    return new Container(id, `http://${address.split('\n', 1)[0]!}`);
  }

  /** Runs a shell line in it; its exit code. */
  async shell(line: string): Promise<Ended> {
    return engine('exec', this.#id, 'sh', '-c', line);
  }

  /** Ends it as Compose does; its exit code, which is 137 where it had to be killed. */
  async stop(): Promise<number> {
    await must('stop', '--time=25', this.#id);
    return Number(await must('inspect', '--format={{.State.ExitCode}}', this.#id));
  }

  async remove(): Promise<void> {
    await engine('rm', '--force', '--volumes', this.#id);
  }
}
