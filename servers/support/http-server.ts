/** Node's HTTP server with limits on time and size, so that a slow or hostile client cannot exhaust its resources. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const LIMITS = {
  /** All header fields together, in bytes. Above it, Node answers 431. */
  maxHeaderSize: 16 * 1024,
  /** From the connection to the end of the header fields, in ms. */
  headersTimeout: 10_000,
  /** From the first byte to the end of the request body, in ms. */
  requestTimeout: 60_000,
  /**
   * Idle time of a connection, in ms. It is longer than the gateway's idle time, because the gateway must close first.
   */
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
} as const;

/**
 * Limits for servers behind the gateway, which limits its clients itself. These timers continue while the event loop of
 * a saturated instance is blocked. Short timers would cut off requests that already wait in its sockets, and the
 * callers would get a 502.
 */
const BEHIND_GATEWAY = { ...LIMITS, headersTimeout: 60_000, keepAliveTimeout: 60_000 } as const;

/** @param isBehindGateway whether only the fleet's own servers connect */
export function boundedServer(listener: RequestListener, isBehindGateway = false): Server {
  return createServer(isBehindGateway ? BEHIND_GATEWAY : LIMITS, listener);
}

/** Listens and resolves to the port. Rejects if the port is in use. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A worker of a cluster would otherwise share the port with the others.
    server.listen({ port, host, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
