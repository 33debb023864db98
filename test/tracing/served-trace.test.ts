/** The trace of a request is found from the request, even if its connection serves others, and is released with it. */
import fc from '../support/fast-check.js';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { findServedRequest, servedRequest } from '../../src/shared/request-over.js';
import type { RequestTrace } from '../../src/tracing/request-trace.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

let tracer: DistributedTracer;
beforeEach(() => {
  tracer = new DistributedTracer();
});
afterEach(() => tracer.close());

function begin(req: IncomingMessage): RequestTrace {
  const trace = tracer.startRequest('GET', false, undefined);
  servedRequest(req, undefined).observer = trace;
  return trace;
}

const traceOf = (req: IncomingMessage): unknown => findServedRequest(req)?.observer;

test('pipelined requests, ended in any order, each find their own trace and nothing is left on the connection', () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 });
  fc.assert(
    fc.property(order, (ends) => {
      const socket = new Socket();
      const served = ends.map(() => {
        const req = new IncomingMessage(socket);
        return { req, trace: begin(req) };
      });
      const open = new Set(served);
      for (const i of ends) {
        const one = served[i]!;
        servedRequest(one.req, undefined).end('finished');
        expect(one.trace.root.isEnded).toBe(true);
        open.delete(one);
        for (const other of served) expect(traceOf(other.req)).toBe(open.has(other) ? other.trace : undefined);
      }
    }),
    { numRuns: 50 },
  );
});

test('a request whose header fields were replaced keeps its trace; one that stands in for a request has its own', () => {
  const req = new IncomingMessage(new Socket());
  const trace = begin(req);
  req.rawHeaders = [];
  req.headers = {};
  expect(traceOf(req)).toBe(trace);
  const standIn = { headers: {} } as IncomingMessage;
  expect(traceOf(standIn)).toBeUndefined();
  const other = begin(standIn);
  expect(traceOf(standIn)).toBe(other);
  servedRequest(standIn, undefined).end('aborted');
  servedRequest(req, undefined).end('aborted');
  expect([traceOf(standIn), traceOf(req)]).toEqual([undefined, undefined]);
});
