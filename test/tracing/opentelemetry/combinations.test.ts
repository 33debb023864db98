/** Beside OpenTelemetry's instrumentation of http, undici, express, pg and ioredis: one request, one trace. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleProgram, nextMessage, startProgram } from '../../support/bundled-child.js';
import { describeWith, postgresService, redisService } from '../../support/services.js';

interface Told {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly isServer: boolean;
  readonly scope: string;
}

jest.setTimeout(120_000);

let folder: string;
let bundle: string;
let downstream: Server;
let received: { readonly path: string; readonly traceparent: string }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'combinations-'));
  bundle = bundleProgram(join(__dirname, 'combinations-program.ts'), folder);
  downstream = createServer((req, res) => {
    // Node joins equal fields by a comma.
    const fields = req.rawHeaders.filter(
      (_text, i) => i % 2 === 0 && req.rawHeaders[i]!.toLowerCase() === 'traceparent',
    );
    received.push({
      path: req.url!,
      traceparent: fields.length === 1 ? String(req.headers['traceparent']) : `${fields.length} fields`,
    });
    res.end('x');
  });
  await new Promise<void>((resolve) => downstream.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  downstream.close();
  rmSync(folder, { recursive: true, force: true });
});

const COMBINATIONS = [
  ['bridge', 'ours'],
  ['bridge', 'theirs'],
  ['provider', 'ours'],
  ['provider', 'theirs'],
  ['NodeSDK', 'ours'],
  ['NodeSDK', 'theirs'],
] as const;

describeWith(postgresService, 'beside PostgreSQL', () =>
  describeWith(redisService, 'and Redis', () => {
    test.each(COMBINATIONS)('with %s as the SDK and %s first', async (sdk, first) => {
      received = [];
      const { port } = downstream.address() as AddressInfo;
      const child = startProgram(bundle, sdk, first, `http://127.0.0.1:${port}`);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const { current, spans } = await nextMessage<{ current: string; spans: Told[] }>(child);
      await ended;
      const ofRequest = spans.filter(({ traceId }) => traceId === current);

      // One server span, and it is the only root.
      expect(spans.filter(({ isServer }) => isServer)).toHaveLength(1);
      const ids = new Set(ofRequest.map(({ spanId }) => spanId));
      expect(ids.size).toBe(ofRequest.length);
      const roots = ofRequest.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
      expect(roots).toMatchObject([{ isServer: true }]);
      expect(roots[0]!.parentSpanId).toBeUndefined();

      // Every library is in it.
      const scopes = new Set(ofRequest.map(({ scope }) => scope.replace('@opentelemetry/instrumentation-', '')));
      expect([...scopes]).toEqual(
        expect.arrayContaining(
          ['ours', 'http', 'undici', 'express', 'pg', 'ioredis'].filter(
            (scope) => sdk !== 'bridge' || scope !== 'http',
          ),
        ),
      );

      // One traceparent a call, of this trace, naming a span that is recorded.
      expect(received.map(({ path }) => path)).toEqual(['/injected', '/plain', '/injected', '/plain']);
      for (const { traceparent } of received) {
        expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]$/);
        expect(traceparent.split('-')[1]).toBe(current);
        expect(ids).toContain(traceparent.split('-')[2]);
      }
    });
  }),
);
