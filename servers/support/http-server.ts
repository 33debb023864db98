/** Node's HTTP server with every time and size bounded: no client, slow or hostile, holds what others need. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const LIMITS = {
  /** All header fields together, in bytes; beyond it Node answers 431. */
  maxHeaderSize: 16 * 1024,
  /** From connection to the end of the header fields, in ms. */
  headersTimeout: 10_000,
  /** From the first byte to the end of the request's body, in ms. */
  requestTimeout: 60_000,
  /** An idle connection is kept this long, in ms: longer than the gateway keeps its end, which must be first to close. */
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
} as const;

export function boundedServer(listener: RequestListener): Server {
  return createServer(LIMITS, listener);
}

/** Listens, and settles with the port: a port already taken rejects. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
