/** The trace of a request is found from the request, whatever else its connection serves, and is forgotten with it. */
import fc from '../support/fast-check.js';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { linkOf, traceOf } from '../../src/tracing/request-link.js';
import type { RequestTrace } from '../../src/tracing/request-trace.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

let tracer: DistributedTracer;
beforeEach(() => {
  tracer = new DistributedTracer();
});
afterEach(() => tracer.close());

function begin(req: IncomingMessage): RequestTrace {
  const trace = tracer.startRequest('GET', false, undefined);
  linkOf(req).add(req, trace);
  return trace;
}

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
        one.trace.endRequest(200);
        open.delete(one);
        for (const { req, trace } of served)
          expect(traceOf(req)).toBe([...open].some((other) => other.req === req) ? trace : undefined);
      }
      expect(linkOf(served[0]!.req).latest).toBeUndefined();
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
  other.endRequest(200);
  trace.endRequest(200);
  expect([traceOf(standIn), traceOf(req)]).toEqual([undefined, undefined]);
});
