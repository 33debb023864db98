/** A steady mix of reads and writes through the gateway, with an account of every request and every acknowledged write. */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** The outcomes of the requests sent so far. */
export interface Account {
  readonly sent: number;
  /** How often each failure was seen: a status of 500 and above, a 429, or the code of what broke. */
  readonly failures: Readonly<Record<string, number>>;
  /** Milliseconds of the slowest answer. */
  readonly slowest: number;
}

interface Client {
  readonly name: string;
  readonly ask: (turn: number) => Promise<void>;
}

const READERS = 6;
const WRITERS = 2;
const PATHS = [
  '/api/v1/training/overview',
  '/api/v1/capabilities/discovered',
  '/api/v4/meta-learning/report',
  '/api/v1/segmentation/status',
];
/** Milliseconds that a client of this test waits for an answer, as a browser would. */
const PATIENCE = 30_000;
/** Milliseconds between a client's requests: a load the machine carries beside the fleet itself. */
const THINKING = 10;

export class Traffic {
  /** By id: the learner of each session whose creation was answered with 201. */
  readonly acknowledged = new Map<number, string>();
  readonly #web: string;
  readonly #agent = new Agent({ connections: 64, bodyTimeout: PATIENCE, headersTimeout: PATIENCE });
  readonly #failures: Record<string, number> = {};
  readonly #clients: Promise<void>[];
  #sent = 0;
  #slowest = 0;
  #isEnding = false;

  constructor(web: string) {
    this.#web = web;
    const readers = Array.from({ length: READERS }, (_, i) => ({
      name: `reader ${i}`,
      ask: (turn: number) => this.#read(PATHS[(turn + i) % PATHS.length]!),
    }));
    const writers = Array.from({ length: WRITERS }, (_, i) => ({
      name: `writer ${i}`,
      ask: (turn: number) => this.#write(`chaos-${i}-${turn}`),
    }));
    this.#clients = [...readers, ...writers].map((client) => this.#run(client));
  }

  get sent(): number {
    return this.#sent;
  }

  /** Ends the load once every request has its answer. */
  async end(): Promise<Account> {
    this.#isEnding = true;
    await Promise.all(this.#clients);
    await this.#agent.close();
    return { sent: this.#sent, failures: this.#failures, slowest: Math.round(this.#slowest) };
  }

  async #run({ ask }: Client): Promise<void> {
    for (let turn = 0; !this.#isEnding; turn++) {
      const began = performance.now();
      this.#sent++;
      await ask(turn).catch((error: unknown) => this.#fail(codeOf(error)));
      this.#slowest = Math.max(this.#slowest, performance.now() - began);
      await pause(THINKING);
    }
  }

  async #read(path: string): Promise<void> {
    const { statusCode, body } = await request(this.#web + path, { dispatcher: this.#agent });
    await body.dump();
    if (statusCode !== 200) this.#fail(`GET ${statusCode}`);
  }

  async #write(learner: string): Promise<void> {
    const { statusCode, body } = await request(`${this.#web}/api/v1/training/start`, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ learner, topics: ['chaos'] }),
    });
    const answer = (await body.json()) as { session?: { id: number } };
    if (statusCode === 201 && answer.session !== undefined) this.acknowledged.set(answer.session.id, learner);
    else this.#fail(`POST ${statusCode}`);
  }

  #fail(what: string): void {
    this.#failures[what] = (this.#failures[what] ?? 0) + 1;
  }
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? name ?? 'unknown';
}

/** The acknowledged writes that cannot be read back, or read otherwise. */
export async function lostWrites(web: string, acknowledged: ReadonlyMap<number, string>): Promise<number[]> {
  const lost: number[] = [];
  for (const [id, learner] of acknowledged) {
    const { statusCode, body } = await request(`${web}/api/v1/training/sessions/${id}`);
    const found = (await body.json()) as { session?: { learner: string } };
    if (statusCode !== 200 || found.session?.learner !== learner) lost.push(id);
  }
  return lost;
}
