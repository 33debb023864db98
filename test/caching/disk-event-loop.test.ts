/** The event loop stays free while this process and others work on the file of the disk layer. */
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as WorkerThreads from 'node:worker_threads';
import Database from 'better-sqlite3';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { serveUpkeep } from '../../src/caching/file-upkeep.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { monotonicClock } from '../../src/shared/clock.js';
import { openSqlite, type SqliteDatabase } from '../../src/shared/sqlite-driver.js';

const folder = mkdtempSync(join(tmpdir(), 'disk-event-loop-'));
const opened: Array<{ destroy(): void }> = [];
let files = 0;

afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
  jest.restoreAllMocks();
});
afterAll(() => rmSync(folder, { recursive: true }));

const newFile = (): string => join(folder, `${files++}.db`);

function opening<T extends { destroy(): void }>(one: T): T {
  opened.push(one);
  return one;
}

test('the connection of the request path waits little for locks and keeps few pages', () => {
  const pragma = jest.spyOn(Database.prototype, 'pragma');
  opening(new MultiLayerCacheManager({ disk: { dbPath: newFile() } }));
  const connection = pragma.mock.contexts[0] as SqliteDatabase;
  expect(connection.pragma('busy_timeout', { simple: true })).toBeLessThanOrEqual(20);
  expect(connection.pragma('cache_size', { simple: true })).toBe(-2000);
});

test('while the log is folded into the file, a write does not begin a new one, which would wait for the disk', async () => {
  const path = newFile();
  const layer = opening(new DiskCacheLayer({ dbPath: path }));
  layer.set('before', 1);
  /** Differs after each restart of the log. */
  const salt = (): string => readFileSync(`${path}-wal`).toString('hex', 16, 24);
  const before = salt();
  const during: string[] = [];
  const open = (...args: Parameters<typeof openSqlite>): SqliteDatabase => {
    const database = openSqlite(...args);
    const pragma = database.pragma.bind(database);
    return Object.assign(database, {
      pragma: (sql: string, options?: { simple?: boolean }) => {
        const result = pragma(sql, options);
        if (!sql.includes('PASSIVE')) return result;
        expect(result).toEqual([expect.objectContaining({ busy: 0 })]);
        layer.set('during', 2);
        during.push(salt());
        return result;
      },
    });
  };
  const port = new EventEmitter();
  const replied = once(port, 'reply');
  Object.assign(port, { postMessage: (reply: unknown) => port.emit('reply', reply) });
  serveUpkeep({ parentPort: port, workerData: { path } } as unknown as typeof WorkerThreads, open, monotonicClock);
  port.emit('message', { id: 1, job: { kind: 'checkpoint' } });
  expect(await replied).toEqual([{ id: 1, removed: 0 }]);
  expect(during).toEqual([before]);
  expect(salt()).not.toBe(before); // the checkpoint itself began the new log
  expect([layer.get('before'), layer.get('during')]).toEqual([1, 2]);
});
