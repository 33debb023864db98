/** `/api/v1/chat`: streamed answers of the model providers. */
import type { Request, Response } from 'express';
import * as z from 'zod';
import { ResilienceError, type MultiLayerCacheManager, type Target } from '../../src/index.js';
import { parseEventId } from '../support/replay-channel.js';
import { ANSWERED, RouteTable } from '../support/route-table.js';
import type { SettingsStore } from '../support/settings-store.js';
import { admit, burstKey, type BurstParts, type BurstPolicy, type BurstRequest } from './admission.js';
import type { BurstResult } from './burst.js';
import { streamSchema } from './burst-schema.js';
import type { BurstStreams, EventSource } from './burst-streams.js';
import { resumeElsewhere } from './resume-elsewhere.js';

export interface ChatParts extends BurstParts {
  readonly streams: BurstStreams;
  readonly policy: SettingsStore<BurstPolicy>;
  readonly cache: MultiLayerCacheManager;
  /** The instances of this service. */
  readonly targets: () => readonly Target[];
  readonly onError: (error: unknown) => void;
}

type StreamRequest = BurstRequest & z.output<typeof streamSchema>;

const PATH = '/burst-stream';
/** Marks the request of another instance, which must not be passed on again. */
const LOCAL = 'local';

export function chatRoutes(parts: ChatParts): RouteTable {
  return new RouteTable('/api/v1/chat').post(
    PATH,
    {
      summary: 'Streams the answer of the provider that answers first; resumable by Last-Event-ID',
      body: streamSchema,
      query: z.object({ [LOCAL]: z.enum(['true', 'false']).default('false') }),
    },
    async ({ body, query, req, res, signal }) => {
      const lastEventId = req.get('last-event-id') ?? '';
      if (lastEventId !== '') await resume({ parts, req, res, lastEventId, signal, isLocal: query[LOCAL] === 'true' });
      else subscribe(res, await begin(body, parts, signal), -1);
      return ANSWERED;
    },
  );
}

/** The stream of a new request: from the cache, or of the providers. */
async function begin(body: StreamRequest, parts: ChatParts, signal: AbortSignal): Promise<EventSource> {
  const { streams, cache, ledger } = parts;
  const policy = await parts.policy.read();
  const request = { ...body, maxTokens: Math.min(body.maxTokens, policy.maxTokens) };
  const key = burstKey(request);
  const known = policy.cacheMs > 0 ? await cache.get<BurstResult>(key) : undefined;
  if (known !== undefined) return streams.replay(known);
  const admission = await admit(request, policy, parts);
  if (signal.aborted) {
    await ledger.settle(admission.reservation, []);
    throw signal.reason;
  }
  const { timeoutMs, resumeMs, streamMs } = policy;
  const deadlineMs = Math.min(body.deadlineMs ?? streamMs, streamMs);
  const stream = streams.start(admission, request, { timeoutMs, resumeMs, deadlineMs });
  if (policy.cacheMs > 0) {
    stream.ended
      .then((result) => result && cache.set(key, result, { ttl: policy.cacheMs, tags: ['provider'] }))
      .catch(parts.onError);
  }
  return stream;
}

interface Resumption {
  readonly parts: ChatParts;
  readonly req: Request;
  readonly res: Response;
  readonly lastEventId: string;
  readonly signal: AbortSignal;
  readonly isLocal: boolean;
}

/** @throws ResilienceError NOT_FOUND if no instance has the stream */
async function resume({ parts, req, res, lastEventId, signal, isLocal }: Resumption): Promise<void> {
  const id = parseEventId(lastEventId);
  const stream = id && parts.streams.find(id.channel);
  if (id !== undefined && stream !== undefined) return subscribe(res, stream, id.number);
  if (id !== undefined && !isLocal) {
    const path = `/api/v1/chat${PATH}?${LOCAL}=true`;
    const body = req.body as object;
    if (await resumeElsewhere(res, { targets: parts.targets(), path, lastEventId, body, signal })) return;
  }
  throw new ResilienceError(
    'NOT_FOUND',
    'this stream has ended; send the request without Last-Event-ID to start again',
  );
}

function subscribe(res: Response, stream: EventSource, after: number): void {
  if (stream.subscribe(res, after)) return;
  throw new ResilienceError('CONCURRENCY_EXCEEDED', 'this stream has too many subscribers', { retryAfter: 1 });
}
