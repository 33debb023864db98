/** A request ends exactly once, under any behaviour of its client, its handler and its connection. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2';
import { connect, type AddressInfo, type Server } from 'node:net';
import fc from '../support/fast-check.js';
import { onRequestOver, type RequestOutcome } from '../../src/shared/request-over.js';
import { until } from '../support/eventually.js';
import { fuzz, type Tally } from './harness.js';

/** The ways a handler treats its response. */
type Behaviour = 'answer' | 'stream' | 'hang' | 'destroy';

interface Script {
  readonly http2: boolean;
  /** One request each, pipelined on one connection in HTTP/1.1. */
  readonly behaviours: readonly Behaviour[];
  /** Whether the client leaves without waiting for what was asked for. */
  readonly leaves: boolean;
}

const scripts: fc.Arbitrary<Script> = fc.record({
  http2: fc.boolean(),
  behaviours: fc.array(fc.constantFrom<Behaviour>('answer', 'stream', 'hang', 'destroy'), {
    minLength: 1,
    maxLength: 8,
  }),
  leaves: fc.boolean(),
});

interface Observed {
  readonly behaviour: Behaviour;
  readonly outcomes: RequestOutcome[];
}

function serve(observed: Observed[]) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const behaviour = req.url!.slice(1) as Behaviour;
    const seen: Observed = { behaviour, outcomes: [] };
    observed.push(seen);
    onRequestOver(req, res, (outcome) => seen.outcomes.push(outcome));
    res.on('error', () => undefined);
    if (behaviour === 'answer') res.end('done');
    else if (behaviour === 'destroy') res.destroy();
    else if (behaviour === 'stream') {
      res.write('a');
      setImmediate(() => res.end('b'));
    }
  };
}

async function overHttp1(script: Script, port: number, observed: Observed[]): Promise<void> {
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  client.resume();
  client.write(script.behaviours.map((name) => `GET /${name} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  // A response that hangs or is destroyed keeps those behind it from being sent.
  await until(() => observed.length > 0);
  const blocking = script.behaviours.findIndex((name) => name === 'hang' || name === 'destroy');
  const first = blocking === -1 ? script.behaviours.length : blocking;
  if (!script.leaves) await until(() => observed.filter(({ outcomes }) => outcomes.length > 0).length >= first);
  client.destroy();
}

async function overHttp2(script: Script, port: number, observed: Observed[]): Promise<void> {
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  client.on('error', () => undefined);
  const streams = script.behaviours.map((name) => {
    const stream = client.request({ ':path': `/${name}` });
    stream.on('error', () => undefined);
    return stream.resume();
  });
  await until(() => observed.length === script.behaviours.length);
  const answered = observed.filter(({ behaviour }) => behaviour === 'answer' || behaviour === 'stream');
  if (!script.leaves) await until(() => answered.every(({ outcomes }) => outcomes.length > 0));
  // Reset, not by destroying the session: Node 20 can miss that altogether while a response is being written.
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  await until(() => observed.every(({ outcomes }) => outcomes.length > 0), 'a request was never over');
  client.destroy();
}

async function check(script: Script, tally: Tally): Promise<void> {
  const observed: Observed[] = [];
  const server: Server = script.http2 ? createHttp2Server(serve(observed) as never) : createServer(serve(observed));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await (script.http2 ? overHttp2 : overHttp1)(script, port, observed);
  await until(() => observed.every(({ outcomes }) => outcomes.length > 0), 'a request was never over');
  await new Promise((closed) => server.close(closed));
  for (const { behaviour, outcomes } of observed) {
    expect(outcomes).toHaveLength(1);
    if (behaviour === 'hang' || behaviour === 'destroy') expect(outcomes).toEqual(['aborted']);
    else if (!script.leaves && script.http2) expect(outcomes).toEqual(['finished']);
  }
  tally.requests = (tally.requests ?? 0) + observed.length;
}

fuzz('shared', [{ title: 'a request is over exactly once', arbitrary: scripts, check }]);
