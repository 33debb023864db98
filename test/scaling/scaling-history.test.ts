import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  sqliteScalingHistory,
  type ScalingHistory,
  type ScalingRecord,
  type SqliteScalingHistoryOptions,
} from '../../src/scaling/scaling-history.js';

let folder: string;
const opened: ScalingHistory[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tooloo-history-'));
});
afterEach(() => {
  for (const history of opened.splice(0)) history.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(options: SqliteScalingHistoryOptions = {}): ScalingHistory {
  const history = sqliteScalingHistory(options);
  opened.push(history);
  return history;
}

const record = (at: number, more: Partial<ScalingRecord> = {}): ScalingRecord => ({
  at,
  service: 'demo',
  event: 'SCALE_UP',
  from: 1,
  to: 2,
  outcome: 'done',
  instances: ['demo-2'],
  reason: null,
  error: null,
  ...more,
});
const times = (records: readonly ScalingRecord[]): number[] => records.map(({ at }) => at);

test('lists the records of all services or of one, newest first', () => {
  const history = open();
  history.record(record(1));
  history.record(record(2, { service: 'other' }));
  history.record(record(3));
  expect(history.list()[0]).toEqual(record(3));
  expect(times(history.list())).toEqual([3, 2, 1]);
  expect(times(history.list({ service: 'demo' }))).toEqual([3, 1]);
  expect(times(history.list({ limit: 1 }))).toEqual([3]);
});

test('the records in the file survive a restart', () => {
  const path = join(folder, 'data', 'history.sqlite');
  const first = open({ path });
  first.record(record(1));
  first.close();
  expect(times(open({ path }).list())).toEqual([1]);
});

test('the oldest records are removed when there are too many', () => {
  const history = open({ maxRecords: 3 });
  for (let at = 1; at <= 10; at++) history.record(record(at));
  expect(times(history.list())).toEqual([10, 9, 8]);
});

test('a full file drops its oldest records and accepts new ones', () => {
  const errors: Error[] = [];
  const path = join(folder, 'history.sqlite');
  const history = open({ path, maxBytes: 128 * 1024, onError: (error) => errors.push(error) });
  const reason = 'x'.repeat(5000);
  for (let at = 1; at <= 100; at++) history.record(record(at, { reason }));
  expect(errors).toEqual([]);
  const kept = times(history.list());
  expect(kept[0]).toBe(100);
  expect(kept.length).toBeLessThan(30);
  expect(kept).toEqual(kept.map((_, i) => 100 - i));
});

test('a failed write is reported, blocks no caller, and is written later', () => {
  const errors: Error[] = [];
  const path = join(folder, 'history.sqlite');
  mkdirSync(path); // a folder at this path prevents the file
  const history = open({ path, onError: (error) => errors.push(error) });
  history.record(record(1));
  history.record(record(2));
  expect(errors).toHaveLength(2);
  expect(times(history.list())).toEqual([2, 1]);
  rmSync(path, { recursive: true });
  history.record(record(3));
  expect(errors).toHaveLength(2);
  history.close();
  expect(times(open({ path }).list())).toEqual([3, 2, 1]);
});

test('a file that is not a database is reported', () => {
  const path = join(folder, 'history.sqlite');
  writeFileSync(path, 'this is a diary, and a long one, but not a database'.repeat(100));
  const errors: Error[] = [];
  const history = open({ path, onError: (error) => errors.push(error) });
  history.record(record(1));
  expect(errors.map((error) => (error as Error & { code?: string }).code)).toEqual(['SQLITE_NOTADB']);
  expect(times(history.list())).toEqual([1]);
});

test('after closing nothing is written, and closing again does nothing', () => {
  const history = open();
  history.close();
  history.close();
  history.record(record(1));
  expect(history.list()).toEqual([]);
});
