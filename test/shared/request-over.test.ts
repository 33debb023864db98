/** The end of a request is reported once, also to a part that asks late, and without reading properties of the request. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { onRequestOver, servedRequest, type RequestOutcome } from '../../src/shared/request-over.js';

async function serve<T>(listener: RequestListener, use: (port: number) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function get(port: number): Promise<void> {
  const req = request({ port, host: '127.0.0.1', agent: false }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  await once(res.resume(), 'end');
}

/** The outcome, from a record that is asked for once `event` has passed. */
function outcomeAfter(event: 'finish' | 'close', emitter: ServerResponse, req: IncomingMessage): Promise<RequestOutcome> {
  return new Promise((resolve) => {
    emitter.once(event, () => setImmediate(() => onRequestOver(req, emitter, resolve)));
  });
} // prettier-ignore

/** Node announces requests to the kit from the first record on. */
const announceFromNowOn = (): Promise<void> =>
  serve(
    (req, res) => {
      servedRequest(req, res);
      res.end();
    },
    (port) => get(port),
  );

test('a part that asks after the response of the latest request receives its outcome', async () => {
  await announceFromNowOn();
  let outcome: Promise<RequestOutcome> | undefined;
  const seen = await serve(
    (req, res) => {
      outcome = outcomeAfter('finish', res, req);
      res.end('x');
    },
    async (port) => {
      // The connection stays open, because its end would be reported too.
      connect(port, '127.0.0.1').write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      while (outcome === undefined) await new Promise((resolve) => setImmediate(resolve));
      return outcome;
    },
  );
  expect(seen).toBe('finished');
});

test('a part that asks after the client of the latest request has left receives its outcome', async () => {
  await announceFromNowOn();
  let outcome: Promise<RequestOutcome> | undefined;
  const seen = await serve(
    (req, res) => {
      outcome = outcomeAfter('close', res, req);
    },
    async (port) => {
      const client = connect(port, '127.0.0.1');
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      while (outcome === undefined) await new Promise((resolve) => setImmediate(resolve));
      client.destroy();
      return outcome;
    },
  );
  expect(seen).toBe('aborted');
});

test('the record of a request that Node announces reads no property of the request and the response', async () => {
  await announceFromNowOn();
  const reads: PropertyKey[] = [];
  let atStart: PropertyKey[] | undefined;
  const outcomes: RequestOutcome[] = [];
  const counted = (name: 'socket' | 'httpVersionMajor', req: IncomingMessage): void => {
    const value: unknown = req[name];
    Object.defineProperty(req, name, { get: () => (reads.push(name), value) });
  };
  await serve(
    (req, res) => {
      counted('socket', req);
      counted('httpVersionMajor', req);
      const get = (target: ServerResponse, name: PropertyKey): unknown => (reads.push(name), Reflect.get(target, name));
      servedRequest(req, new Proxy(res, { get })).onOver((outcome) => void outcomes.push(outcome));
      atStart = [...reads];
      res.end('x');
    },
    async (port) => {
      await get(port);
      while (outcomes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    },
  );
  expect(atStart).toEqual([]);
  expect(outcomes).toEqual(['finished']);
});

describe('followers', () => {
  class Follower {
    readonly outcomes: RequestOutcome[] = [];

    requestOver(outcome: RequestOutcome): void {
      this.outcomes.push(outcome);
    }
  }

  test('are called once beside listeners, unless they have stopped following', async () => {
    const [first, second, gone] = [new Follower(), new Follower(), new Follower()];
    const listened: RequestOutcome[] = [];
    await serve(
      (req, res) => {
        const served = servedRequest(req, res);
        served.follow(first);
        served.onOver((outcome) => listened.push(outcome));
        served.followAtOnce(second);
        served.follow(gone);
        served.unfollow(gone);
        res.end();
      },
      (port) => get(port),
    );
    expect([first.outcomes, second.outcomes, gone.outcomes, listened]).toEqual([
      ['finished'],
      ['finished'],
      [],
      ['finished'],
    ]);
  });

  test('of a request that is over are called a moment later', async () => {
    const [late, gone] = [new Follower(), new Follower()];
    let before: readonly RequestOutcome[] | undefined;
    await serve(
      (req, res) => {
        const served = servedRequest(req, res);
        served.onOver(() => {
          served.follow(late);
          served.follow(gone);
          served.unfollow(gone);
          before = [...late.outcomes];
        });
        res.end();
      },
      (port) => get(port),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect([before, late.outcomes, gone.outcomes]).toEqual([[], ['finished'], []]);
  });
});
