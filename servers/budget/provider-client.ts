/**
 * A client for one model provider: OpenAI-compatible chat completions with a time limit, a circuit breaker and a price.
 */
import { addAbortSignal, type Readable } from 'node:stream';
import type { AxiosInstance, AxiosRequestConfig, AxiosResponse } from 'axios';
import * as z from 'zod';
import {
  CircuitBreaker,
  ConcurrencyLimiter,
  messageOf,
  ResilienceError,
  startTimer,
  type Clock,
} from '../../src/index.js';
import { completionRequest, MOST_BYTES, readCompletion, readParts } from './completion.js';
import { Meter, NO_CHARGE, type Charge, type Question } from './meter.js';
import type { Provider } from './providers.js';
import { isAxiosError } from '../support/axios-error.js';

export type Answer = Charge & { readonly latencyMs: number } & (
    | { readonly outcome: 'success'; readonly text: string }
    | { readonly outcome: 'failure' | 'abandoned'; readonly reason: string }
  );

/** Called with each piece of text, and with the cost up to it in millionths of a US dollar. */
export type OnText = (text: string, costMicros: number) => void;

/** How an answer is requested: members of the request body, and settings of axios. */
interface Mode {
  readonly body: object;
  readonly config: AxiosRequestConfig;
}

const WHOLE: Mode = { body: {}, config: { maxContentLength: MOST_BYTES } };
/**
 * `readParts` limits the size. The limit of axios wraps the body in a generator, and destroying that one does not close
 * the connection while the provider is silent.
 */
const STREAMED: Mode = {
  body: { stream: true, stream_options: { include_usage: true } },
  config: { responseType: 'stream', maxContentLength: -1 },
};

export class ProviderClient {
  readonly breaker: CircuitBreaker;
  readonly #slots: ConcurrencyLimiter;

  /**
   * @param http propagates the trace. It must not retry, because each completion is billed.
   * @param maxInFlight maximum number of concurrent calls
   * @param clock for latencies and time limits; must be monotonic
   */
  constructor(
    readonly provider: Provider,
    private readonly http: AxiosInstance,
    private readonly maxInFlight: number,
    private readonly clock: Clock,
  ) {
    this.#slots = new ConcurrencyLimiter({ limit: maxInFlight, clock });
    this.breaker = new CircuitBreaker({
      name: `provider ${provider.id}`,
      failureThreshold: 3,
      openDuration: 15_000,
      clock,
    });
  }

  get inFlight(): number {
    return this.#slots.getStats().inFlight;
  }

  /** Whether a call can be made now: the circuit is not open, and the provider is not busy. */
  isCallable(): boolean {
    return this.breaker.state !== 'open' && this.inFlight < this.maxInFlight;
  }

  /** Milliseconds until the next call can be made. */
  retryAfter(): number {
    return this.breaker.retryAfter;
  }

  /** Sends a question. It never rejects: the answer contains the outcome and the cost. */
  ask(question: Question, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    return this.#call(question, signal, async (meter) => {
      const { data } = await this.#post<unknown>(question, timeoutMs, signal);
      const { text, usage } = readCompletion(data);
      if (usage !== undefined) meter.report(usage);
      return text;
    });
  }

  /**
   * Sends a question and passes the answer on while it arrives. It never rejects.
   *
   * @param timeoutMs maximum time without a part of the answer
   * @param onText is called synchronously, and must not throw
   */
  stream(question: Question, timeoutMs: number, signal: AbortSignal, onText: OnText): Promise<Answer> {
    return this.#call(question, signal, async (meter) => {
      const { data: body, headers } = await this.#post<Readable>(question, timeoutMs, signal, STREAMED).catch(discard);
      addAbortSignal(signal, body);
      const type = String(headers['content-type']);
      return this.#read({ body, timeoutMs, type, meter, onText });
    });
  }

  async #call(question: Question, signal: AbortSignal, work: (meter: Meter) => Promise<string>): Promise<Answer> {
    const permit = this.breaker.tryAcquire();
    if (permit === undefined) return { outcome: 'failure', reason: 'its circuit is open', ...NO_CHARGE, latencyMs: 0 };
    const release = this.#slots.tryAcquire('calls');
    if (release === undefined) {
      permit.end('ignored');
      return { outcome: 'failure', reason: 'its limit of calls in flight is reached', ...NO_CHARGE, latencyMs: 0 };
    }
    const meter = new Meter(this.provider, question);
    const begun = this.clock.now();
    try {
      const text = await work(meter);
      permit.end('success');
      return { outcome: 'success', text, ...meter.total(), latencyMs: this.clock.now() - begun };
    } catch (error) {
      const latencyMs = this.clock.now() - begun;
      if (signal.aborted) {
        permit.end('ignored');
        return { outcome: 'abandoned', reason: messageOf(signal.reason), ...meter.soFar(), latencyMs };
      }
      permit.end('failure');
      const charge = meter.hasText ? meter.soFar() : NO_CHARGE;
      return { outcome: 'failure', reason: describeFailure(error), ...charge, latencyMs };
    } finally {
      release();
    }
  }

  #post<T>(
    question: Question,
    timeout: number,
    signal: AbortSignal,
    { body, config }: Mode = WHOLE,
  ): Promise<AxiosResponse<T>> {
    const { apiKey, model } = this.provider;
    return this.http.post<T>(
      '/chat/completions',
      { ...completionRequest(model, question), ...body },
      {
        timeout,
        signal,
        maxRedirects: 0,
        headers: apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` },
        ...config,
      },
    );
  }

  /** Passes each piece of text on, and destroys the body if none arrives for the given time. */
  async #read({ body, timeoutMs, type, meter, onText }: Reading): Promise<string> {
    const expire = (): void => {
      body.destroy(new ResilienceError('UPSTREAM_TIMEOUT', `it sent nothing for ${timeoutMs} ms`));
    };
    let timer = startTimer(this.clock, expire, timeoutMs);
    const texts: string[] = [];
    try {
      for await (const { text, usage } of readParts(body, type)) {
        if (usage !== undefined) meter.report(usage);
        if (text === '') continue;
        timer.cancel();
        timer = startTimer(this.clock, expire, timeoutMs);
        meter.addText(text);
        texts.push(text);
        onText(text, meter.soFar().costMicros);
      }
    } finally {
      timer.cancel();
      body.destroy();
    }
    if (texts.length === 0) throw new ResilienceError('UPSTREAM_INVALID', 'its answer is empty');
    return texts.join('');
  }
}

interface Reading {
  readonly body: Readable;
  readonly timeoutMs: number;
  readonly type: string;
  readonly meter: Meter;
  readonly onText: OnText;
}

/** Closes the connection of a response that is not read. */
function discard(error: unknown): never {
  if (isAxiosError<Readable | undefined>(error)) error.response?.data?.destroy();
  throw error;
}

/** The reason of a failed call, without any text from the provider, because that may quote the key or the prompt. */
function describeFailure(error: unknown): string {
  if (isAxiosError(error))
    return error.response === undefined ? (error.code ?? 'no answer') : `status ${error.response.status}`;
  if (error instanceof z.ZodError || error instanceof SyntaxError) return 'its answer is not a chat completion';
  return messageOf(error);
}
