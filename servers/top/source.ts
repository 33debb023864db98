/** The web server's data for `top`: its stream of frames, and one instance. */
import { messageOf } from '../../src/index.js';
import { SseParser } from '../dashboard/model/sse-parser.js';
import { readFleetToken } from '../orchestrator/control-token.js';
import { portOf, readConfig, type Environment } from '../support/config.js';
import type { Frame } from '../web/fleet-sampler.js';
import type { InstanceDetail } from '../web/instance-detail.js';
import type { DetailAnswer } from './instance-lines.js';

/** Milliseconds after which an instance that is looked at is given up. */
const DETAIL_TIMEOUT = 10_000;

/** A frame, and whether it is new; a connection begins with the frames that the server still holds. */
export interface StreamedFrame {
  readonly frame: Frame;
  readonly isNew: boolean;
}

export class FleetSource {
  readonly url: string;
  readonly #token: string | undefined;

  constructor(env: Environment) {
    const config = readConfig(env);
    this.url = `http://${config.HOST}:${portOf(config, 'web')}`;
    this.#token = config.CONTROL_TOKEN ?? config.DASHBOARD_TOKEN ?? readFleetToken(config.DATA_DIR);
  }

  /** @throws where the server does not answer, refuses or ends the stream with an error */
  async *frames(signal: AbortSignal): AsyncGenerator<StreamedFrame> {
    const body = (await this.#get('/api/v1/dashboard/stream', 'text/event-stream', signal)).body!;
    const parser = new SseParser();
    let isNew = false;
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      for (const { event, data } of parser.push(text)) {
        if (event === 'current') isNew = true;
        else if (event === 'frame') yield { frame: JSON.parse(data) as Frame, isNew };
      }
    }
  }

  /** Never rejects: an error is part of the answer. */
  async instance(id: string, signal: AbortSignal): Promise<DetailAnswer> {
    try {
      const either = AbortSignal.any([signal, AbortSignal.timeout(DETAIL_TIMEOUT)]);
      const path = `/api/v1/dashboard/instances/${encodeURIComponent(id)}`;
      return { detail: (await (await this.#get(path, 'application/json', either)).json()) as InstanceDetail };
    } catch (error) {
      return { error: `Its probes and its log are not available: ${messageOf(error)}` };
    }
  }

  async #get(path: string, accept: string, signal: AbortSignal): Promise<Response> {
    const headers = { Accept: accept, ...(this.#token !== undefined && { Authorization: `Bearer ${this.#token}` }) };
    const answer = await fetch(`${this.url}${path}`, { headers, signal });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    return answer;
  }
}
