import type { StoredResponse } from '../../../src/caching/http/stored-response.js';

export const NOW = Date.parse('2026-01-01T00:00:00Z');

/** A fresh stored 200 of ten bytes, made now. */
export function stored(changes: Partial<StoredResponse> = {}): StoredResponse {
  return {
    kind: 'response',
    status: 200,
    reason: undefined,
    headers: ['Content-Type', 'text/plain', 'Content-Length', '10'],
    trailers: [],
    body: Buffer.from('0123456789'),
    part: undefined,
    responseTime: NOW,
    initialAge: 0,
    lifetime: 60_000,
    date: NOW,
    etag: undefined,
    lastModified: undefined,
    policy: policy(),
    route: undefined,
    ...changes,
  };
}

export function policy(changes: Partial<StoredResponse['policy']> = {}): StoredResponse['policy'] {
  return {
    noCache: false,
    mustRevalidate: false,
    allowsMaxStale: true,
    immutable: false,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    ...changes,
  };
}
