/** The messages of the chat completions protocol: the request, the whole answer, and the answer as a stream of parts. */
import type { Readable } from 'node:stream';
import * as z from 'zod';
import { ResilienceError } from '../../src/index.js';
import { SseParser } from '../dashboard/model/sse-parser.js';
import type { Question, Usage } from './meter.js';

const usageSchema = z
  .object({ prompt_tokens: z.number().int().min(0), completion_tokens: z.number().int().min(0) })
  .transform(({ prompt_tokens, completion_tokens }): Usage => {
    return { inputTokens: prompt_tokens, outputTokens: completion_tokens };
  });

const completionSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().min(1) }) })).min(1),
  usage: usageSchema.optional(),
});

const chunkSchema = z.object({
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().nullish() }).optional(), finish_reason: z.string().nullish() }),
  ),
  usage: usageSchema.nullish(),
});

/** A part of an answer. */
export interface CompletionPart {
  readonly text: string;
  readonly usage?: Usage | undefined;
}

/** Maximum size of an answer in bytes. The fields around the parts of a stream do not count. */
export const MOST_BYTES = 4 * 1024 * 1024;

/** The request body for a question. */
export function completionRequest(model: string, { prompt, system, maxTokens }: Question): object {
  return {
    model,
    max_tokens: maxTokens,
    messages: [
      ...(system === undefined ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: prompt },
    ],
  };
}

/** @throws ZodError if the value is not a chat completion */
export function readCompletion(value: unknown): CompletionPart {
  const { choices, usage } = completionSchema.parse(value);
  return { text: choices[0]!.message.content, usage };
}

/**
 * The parts of a streamed answer. An endpoint that cannot stream answers with one JSON document, which is one part.
 * A consumer that stops early destroys the body.
 *
 * @throws ZodError or SyntaxError if the body is invalid, ResilienceError UPSTREAM_INVALID if it ends too early
 */
export async function* readParts(body: Readable, contentType: string): AsyncGenerator<CompletionPart> {
  if (!contentType.startsWith('text/event-stream')) {
    yield readCompletion(JSON.parse(await textOf(body)));
    return;
  }
  const parser = new SseParser();
  const decoder = new TextDecoder();
  let isFinished = false;
  let size = 0;
  for await (const bytes of body as AsyncIterable<Buffer>) {
    for (const { data } of parser.push(decoder.decode(bytes, { stream: true }))) {
      if (data === '[DONE]') return;
      const { choices, usage } = chunkSchema.parse(JSON.parse(data));
      isFinished ||= choices[0]?.finish_reason != null;
      const text = choices[0]?.delta?.content ?? '';
      size += Buffer.byteLength(text);
      if (size > MOST_BYTES) throw tooLong();
      yield { text, usage: usage ?? undefined };
    }
  }
  if (!isFinished) throw new ResilienceError('UPSTREAM_INVALID', 'its answer ended too early');
}

async function textOf(body: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MOST_BYTES) throw tooLong();
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function tooLong(): ResilienceError {
  return new ResilienceError('UPSTREAM_INVALID', `its answer is longer than ${MOST_BYTES} bytes`);
}
