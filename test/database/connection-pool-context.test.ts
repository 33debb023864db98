/**
 * The asynchronous context that code runs in. It is the caller's own, even if another caller released the connection or
 * caused it to be opened.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ConnectionPool } from '../../src/database/index.js';
import { FakeConnections } from '../../src/testing/fake-connections.js';

test('a caller that waited goes on in its own context', async () => {
  const storage = new AsyncLocalStorage<string>();
  await using pool = new ConnectionPool({ factory: new FakeConnections(), maxConnections: 1 });
  const held = await pool.acquire();
  const waiters = ['first', 'second'].map((name) =>
    storage.run(name, async () => {
      const connection = await pool.acquire();
      const context = storage.getStore();
      connection.release();
      return context;
    }),
  );
  storage.run('releaser', () => held.release());
  expect(await Promise.all(waiters)).toEqual(['first', 'second']);
});

test('a connection is not opened in the context of the caller that needed it', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const fakes = new FakeConnections();
  const create = fakes.create.bind(fakes);
  jest.spyOn(fakes, 'create').mockImplementation(() => {
    seen.push(storage.getStore());
    return create();
  });
  await using pool = new ConnectionPool({ factory: fakes, maxConnections: 2 });
  await storage.run('request', () => pool.use(() => undefined));
  expect(seen).toEqual([undefined, undefined]);
});
