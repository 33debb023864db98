/** One provider as something to ask: an OpenAI-compatible chat completion with a deadline, a breaker and a price. */
import { isAxiosError, isCancel, type AxiosInstance } from 'axios';
import { z } from 'zod';
import { CircuitBreaker, ConcurrencyLimiter, messageOf, type Clock } from '../../src/index.js';
import { costMicros, mostInputTokens, type Provider } from './providers.js';

export type Answer =
  | {
      readonly outcome: 'success';
      readonly text: string;
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly costMicros: number;
      readonly latencyMs: number;
    }
  | {
      readonly outcome: 'failure' | 'abandoned';
      readonly reason: string;
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly costMicros: number;
      readonly latencyMs: number;
    };

export interface Question {
  readonly prompt: string;
  readonly system?: string | undefined;
  readonly maxTokens: number;
}

const completionSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().min(1) }) })).min(1),
  usage: z.object({ prompt_tokens: z.number().int().min(0), completion_tokens: z.number().int().min(0) }).optional(),
});

export class ProviderClient {
  readonly breaker: CircuitBreaker;
  readonly #slots: ConcurrencyLimiter;

  /**
   * @param http carries the trace; must not retry: a completion that is asked for twice is paid for twice
   * @param maxInFlight how many calls it is asked at a time
   * @param clock for latencies: monotonic
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

  /** Whether asking it now makes sense: its circuit is not open and it is not busy. */
  isCallable(): boolean {
    return this.breaker.state !== 'open' && this.inFlight < this.maxInFlight;
  }

  /** Milliseconds until it may be asked again. */
  retryAfter(): number {
    return this.breaker.retryAfter;
  }

  /** Asks. Never rejects: an answer says how it went and what it cost. */
  async ask(question: Question, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    const permit = this.breaker.tryAcquire();
    if (permit === undefined) return this.#nothing('failure', 'its circuit is open', 0);
    const release = this.#slots.tryAcquire('calls');
    if (release === undefined) {
      permit.end('ignored');
      return this.#nothing('failure', 'it has as many calls in flight as it may', 0);
    }
    const begun = this.clock.now();
    try {
      const answer = await this.#complete(question, timeoutMs, signal, begun);
      permit.end('success');
      return answer;
    } catch (error) {
      const latency = this.clock.now() - begun;
      if (isCancel(error) && signal.aborted) {
        permit.end('ignored');
        return this.#abandoned(question, latency);
      }
      permit.end('failure');
      return this.#nothing('failure', describeFailure(error), latency);
    } finally {
      release();
    }
  }

  async #complete(question: Question, timeoutMs: number, signal: AbortSignal, begun: number): Promise<Answer> {
    const { provider } = this;
    const response = await this.http.post<unknown>(
      '/chat/completions',
      {
        model: provider.model,
        max_tokens: question.maxTokens,
        messages: [
          ...(question.system === undefined ? [] : [{ role: 'system', content: question.system }]),
          { role: 'user', content: question.prompt },
        ],
      },
      {
        timeout: timeoutMs,
        signal,
        maxContentLength: 4 * 1024 * 1024,
        maxRedirects: 0,
        headers: provider.apiKey === undefined ? {} : { Authorization: `Bearer ${provider.apiKey}` },
      },
    );
    const { choices, usage } = completionSchema.parse(response.data);
    // An endpoint that does not say what it used is charged with the most it can have been.
    const inputTokens = usage?.prompt_tokens ?? mostInputTokens(question.prompt + (question.system ?? ''));
    const outputTokens = usage?.completion_tokens ?? question.maxTokens;
    return {
      outcome: 'success',
      text: choices[0]!.message.content,
      inputTokens,
      outputTokens,
      costMicros: costMicros(provider, inputTokens, outputTokens),
      latencyMs: this.clock.now() - begun,
    };
  }

  /** A call broken off is charged with its whole input: providers bill for what they have read. */
  #abandoned(question: Question, latencyMs: number): Answer {
    const inputTokens = mostInputTokens(question.prompt + (question.system ?? ''));
    return {
      outcome: 'abandoned',
      reason: 'another provider answered first',
      inputTokens,
      outputTokens: 0,
      costMicros: costMicros(this.provider, inputTokens, 0),
      latencyMs,
    };
  }

  #nothing(outcome: 'failure', reason: string, latencyMs: number): Answer {
    return { outcome, reason, inputTokens: 0, outputTokens: 0, costMicros: 0, latencyMs };
  }
}

/** Why a call failed, without anything the provider wrote: its text may quote the key or the prompt. */
function describeFailure(error: unknown): string {
  if (isAxiosError(error))
    return error.response === undefined ? (error.code ?? 'no answer') : `status ${error.response.status}`;
  return error instanceof z.ZodError ? 'its answer is not a chat completion' : messageOf(error);
}
