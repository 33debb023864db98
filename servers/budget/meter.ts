/** Counts the tokens and the cost of one completion while it arrives. */
import { costMicros, mostInputTokens, type Provider } from './providers.js';

export interface Question {
  readonly prompt: string;
  readonly system?: string | undefined;
  readonly maxTokens: number;
}

/** Tokens as reported by a provider. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The tokens of a call, and their cost in millionths of a US dollar. */
export interface Charge extends Usage {
  readonly costMicros: number;
}

export class Meter {
  #usage: Usage | undefined;
  #bytes = 0;

  constructor(
    private readonly provider: Provider,
    private readonly question: Question,
  ) {}

  /** Whether any text has arrived. */
  get hasText(): boolean {
    return this.#bytes > 0;
  }

  addText(text: string): void {
    this.#bytes += Buffer.byteLength(text);
  }

  /** Stores the tokens that the provider reports. The last report counts. */
  report(usage: Usage): void {
    this.#usage = usage;
  }

  /**
   * The charge of a call that has not ended, or that was cancelled. Providers bill for the input that they have read.
   * Without a report, each byte of text counts as a token, because byte-level tokenizers never produce more.
   */
  soFar(): Charge {
    return this.#charge(Math.min(this.#bytes, this.question.maxTokens));
  }

  /** The charge of a complete call. Without a report, the maximum is charged. */
  total(): Charge {
    return this.#charge(this.question.maxTokens);
  }

  #charge(outputTokens: number): Charge {
    const { prompt, system = '' } = this.question;
    const usage = this.#usage ?? { inputTokens: mostInputTokens(prompt + system), outputTokens };
    return { ...usage, costMicros: costMicros(this.provider, usage.inputTokens, usage.outputTokens) };
  }
}

/** The charge of a call that produced nothing. */
export const NO_CHARGE: Charge = { inputTokens: 0, outputTokens: 0, costMicros: 0 };
