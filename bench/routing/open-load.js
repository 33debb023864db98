// Sends requests at a fixed rate, even if earlier ones are unanswered. A server that stalls faces a growing queue, as
// it would with independent clients. A latency counts from when the request was due, not from when it was sent.
import { Pool } from 'undici';

/** Milliseconds: a request answered later than this was delayed. */
const DELAYED = 250;

export class OpenLoad {
  #pool;
  #requests;
  #perMillisecond;
  #timer;
  #sent = 0;
  #began = performance.now();
  #outstanding = new Set();
  #stage;

  /** @param requests what is sent in turn: `{ method, body? }` */
  constructor(origin, rate, requests = [{ method: 'GET' }]) {
    this.#pool = new Pool(origin, { connections: 1024, headersTimeout: 60_000, bodyTimeout: 60_000 });
    this.#requests = requests;
    this.#perMillisecond = rate / 1000;
    this.stage('start');
    this.#timer = setInterval(() => this.#sendDue(), 1);
  }

  /** From now on requests are counted anew; returns the count of those sent before, once they are all answered. */
  async stage(name) {
    const ended = this.#stage;
    this.#stage = { name, sent: 0, failed: 0, delayed: 0, slowest: 0, latencies: [], reasons: new Map() };
    await Promise.all(this.#outstanding);
    return ended;
  }

  async stop() {
    clearInterval(this.#timer);
    const last = await this.stage('over');
    await this.#pool.close();
    return last;
  }

  #sendDue() {
    for (const due = (performance.now() - this.#began) * this.#perMillisecond; this.#sent < due; this.#sent++) {
      const request = this.#send(this.#requests[this.#sent % this.#requests.length]).finally(() =>
        this.#outstanding.delete(request),
      );
      this.#outstanding.add(request);
    }
  }

  async #send(request) {
    const stage = this.#stage;
    const due = this.#began + this.#sent / this.#perMillisecond;
    stage.sent++;
    let reason;
    try {
      const { statusCode, body } = await this.#pool.request({ path: '/', ...request });
      await body.dump();
      if (statusCode !== 200) reason = String(statusCode);
    } catch (error) {
      reason = error.code ?? error.message;
    }
    const latency = performance.now() - due;
    stage.latencies.push(latency);
    stage.slowest = Math.max(stage.slowest, latency);
    if (latency > DELAYED) stage.delayed++;
    if (reason === undefined) return;
    stage.failed++;
    stage.reasons.set(reason, (stage.reasons.get(reason) ?? 0) + 1);
  }
}
