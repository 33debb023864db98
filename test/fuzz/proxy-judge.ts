/** The requests that instances may have seen, given what clients sent, and how often. */
import type { Protocol, RequestScript, Script } from './proxy-grammar.js';

/** A request as an instance understood it, of either protocol. */
export interface Sighting {
  readonly id: string | undefined;
  /** The request line, where the protocol has one. */
  readonly line: string | undefined;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
  readonly isComplete: boolean;
}

const SAFE = /^(?:GET|HEAD|OPTIONS|TRACE)$/;
const IDEMPOTENT = /^(?:GET|HEAD|OPTIONS|TRACE|PUT|DELETE)$/;

/** A parser in front may write the same value in other bytes. */
function isSameBody({ body, framing }: RequestScript, got: string): boolean {
  const sent = framing === 'none' || framing === 'upgrade' ? '' : body;
  return got === sent || (got === '{}' && sent === '') || got === 'a=1&a=2';
}

/** Whether an instance may have lost its connection, or reset the stream, before a byte of its answer arrived. */
function mayDieUnanswered({ answer, frames }: RequestScript, protocol: Protocol): boolean {
  if (protocol === 'http2') return frames.end !== 'end' && frames.end !== 'trailers';
  return answer.parts.length === 0 || answer.end === 'reset' || (answer.isEarly && answer.end !== 'keep');
}

function isPlain({ answer, frames }: RequestScript, protocol: Protocol): boolean {
  if (protocol === 'http1') return answer.isPlain;
  const { status, fields, end, interim } = frames;
  const isKnown = fields.every(([name, value]) => name === 'set-cookie' || (name === 'x-a' && value !== '\u0001'));
  return (
    isKnown && interim.length === 0 && /^(?:200|201|404)$/.test(status ?? '') && (end === 'end' || end === 'trailers')
  );
}

/** Whether an answer ends a connection that other requests are on. */
function breaksSession({ frames }: RequestScript): boolean {
  return frames.end === 'goaway' || frames.end === 'close' || frames.end === 'break';
}

/** How often instances may see a request: docs/routing.md, "Retries". */
export function mostSightings(request: RequestScript, script: Script, all: readonly RequestScript[]): number {
  const { instanceProtocol: protocol, targets, options } = script;
  const isHttp2 = protocol === 'http2';
  const { method, frames } = request;
  const attempts = options.retry === false ? 1 : Math.min(3, targets);
  // One more on a new connection to the same instance, and those that a wait for a target begins anew.
  const most = attempts + 1 + (options.targetTimeout === undefined ? 0 : 2);
  if (isHttp2 && (frames.end === 'refused' || all.some(({ frames: { end } }) => end === 'goaway'))) return most;
  if (!IDEMPOTENT.test(method)) return 1;
  const mayDie = mayDieUnanswered(request, protocol) || (isHttp2 && all.some(breaksSession));
  if (!SAFE.test(method)) return mayDie ? most : 1;
  if (options.hedge !== undefined && targets > 1) return most;
  // With several instances, one that turns out to be down gives up what waits for it.
  const isAnyOdd = targets > 1 && !all.every((one) => isPlain(one, protocol));
  return !mayDie && isPlain(request, protocol) && !isAnyOdd ? 1 : most;
}

function oddities({ line, fields, body, isComplete }: Sighting, request: RequestScript): string[] {
  const found: string[] = [];
  const shown = line ?? `${request.method} over HTTP/2`;
  if (line !== undefined) {
    if (!line.startsWith(`${request.method} `)) found.push(`${request.method} became ${line}`);
    if (fields.filter(([name]) => name === 'host').length !== 1) found.push(`not one Host in ${line}`);
    const framed = fields.filter(([name]) => name === 'content-length' || name === 'transfer-encoding').length;
    if (framed > 1) found.push(`framed twice: ${line}`);
  }
  if (isComplete && !isSameBody(request, body)) {
    found.push(`the body of ${shown} became ${JSON.stringify(body.slice(0, 60))}`);
  }
  return found;
}

/**
 * Lists the faults in the requests that the instances of a script saw.
 *
 * @param tunnelled requests that a client may have sent as bytes of a tunnel
 */
export function judge(
  script: Script,
  sent: ReadonlyMap<string, RequestScript>,
  sightings: readonly Sighting[],
  tunnelled: ReadonlySet<string>,
): string[] {
  const violations: string[] = [];
  const counts = new Map<string, number>();
  for (const sighting of sightings) {
    const { id, line } = sighting;
    const request = id === undefined ? undefined : sent.get(id);
    if (id === undefined || request === undefined) {
      violations.push(`an instance saw what no client sent: ${JSON.stringify(line ?? id)}`);
      continue;
    }
    counts.set(id, (counts.get(id) ?? 0) + 1);
    if (!tunnelled.has(id)) violations.push(...oddities(sighting, request));
  }
  const all = [...sent.values()];
  for (const [id, count] of counts) {
    const request = sent.get(id)!;
    const most = mostSightings(request, script, all);
    if (count > most)
      violations.push(`${request.method} ${id} reached instances ${count} times, at most ${most} may be`);
  }
  return violations;
}
