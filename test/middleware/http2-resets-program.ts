/**
 * An HTTP/2 server whose handler fails in the middle of each response, one request after the other. Sends its port to
 * the parent process.
 */
import { constants, createServer, type Http2ServerResponse } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { rateLimit } from '../../src/middleware/rate-limit.js';

process.emitWarning = () => undefined; // compose warns of each failed request

const oneAtATime = rateLimit({ rateLimit: 1e6, refillRate: 1e6, concurrency: { limit: 1, maxQueue: 100 } });

type Fail = (res: ServerResponse, next: (error: Error) => void) => void;

/** Each way in which a handler fails, by the path of the request. */
const WAYS: Readonly<Record<string, Fail>> = {
  '/error': (_res, next) => next(new Error('broken')),
  '/destroy': (res) => void res.destroy(),
  '/reset': (res) => (res as unknown as Http2ServerResponse).stream.close(constants.NGHTTP2_INTERNAL_ERROR),
};

const failing = (req: IncomingMessage, res: ServerResponse, next: (error: Error) => void): void => {
  req.resume().once('end', () => {
    res.write('part');
    WAYS[req.url!]!(res, next);
  });
};

const server = createServer(compose(oneAtATime, failing) as never);
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
