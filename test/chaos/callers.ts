/** Callers of a service that keeps a processor busy, and what its fleet decided. */
import type { ScalingRecord } from '../../src/index.js';
import type { RunningFleet } from '../support/fleet.js';

const WORDS = 'index table plan scan row join lock hike hut lake trail summit boots map tent'.split(' ');

/** A conversation whose analysis keeps a processor busy for many milliseconds. */
const BODY = JSON.stringify({
  messages: Array.from({ length: 800 }, (_, i) => ({
    content: Array.from({ length: 12 }, (_, k) => WORDS[(i * 7 + k * 3) % WORDS.length]).join(' '),
  })),
  keep: false,
});

export function analyze(web: string): Promise<Response> {
  return fetch(`${web}/api/v1/segmentation/analyze`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: BODY,
  });
}

/** Newest first. */
export async function historyOf(fleet: RunningFleet, service: string): Promise<readonly ScalingRecord[]> {
  const answer = await fetch(`${fleet.orchestrator}/api/v1/system/scaling-history?service=${service}`);
  return ((await answer.json()) as { history: ScalingRecord[] }).history;
}

/** Calls until the returned function is called, which settles with the number of each status. */
export function call(count: number, ask: () => Promise<Response>): () => Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  let isOver = false;
  const callers = Array.from({ length: count }, async () => {
    while (!isOver) {
      const status = await ask().then(
        async (answer) => (await answer.arrayBuffer(), String(answer.status)),
        (error: { cause?: { code?: string } }) => error.cause?.code ?? 'broken',
      );
      seen[status] = (seen[status] ?? 0) + 1;
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(callers);
    return seen;
  };
}
