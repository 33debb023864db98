/**
 * The locks of a process on the file of the disk layer. POSIX drops all of them as soon as the process closes any descriptor
 * of the file. Another process can then have the file for itself: it overwrites what the first one writes, or, with an
 * older SQLite, deletes the log with it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { openSqlite } from '../../src/shared/sqlite-driver.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';

const folder = mkdtempSync(join(tmpdir(), 'disk-locks-'));
const bundle = bundleProgram(join(__dirname, 'disk-writer-program.ts'), folder);
let files = 0;

afterAll(() => rmSync(folder, { recursive: true }));

/** Whether SQLite grants the file to this process alone. */
function isGranted(path: string): boolean {
  const database = openSqlite(path, { timeout: 0, fileMustExist: true });
  try {
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('SELECT generation FROM cache_state');
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'SQLITE_BUSY' });
    return false;
  } finally {
    database.close();
  }
}

/** Runs the work while another process holds the file and has used it once more. */
async function whileUsed<R>(use: string, work: (path: string, child: ChildProcess) => R | Promise<R>): Promise<R> {
  const path = join(folder, `${files++}.db`);
  const child = startProgram(bundle, 'hold', path, use);
  try {
    await nextMessage(child);
    return await work(path, child);
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }
}

test.each(['open a second layer', 'count entries', 'vacuum', 'sweep', 'read the figures'])('survive to %s', (use) =>
  whileUsed(use, async (path, child) => {
    expect(isGranted(path)).toBe(false);
    const written = nextMessage(child);
    child.send('write');
    await written;
    const layer = new DiskCacheLayer({ dbPath: path });
    expect(layer.get('after')).toBe(2);
    layer.destroy();
  }),
);

test('are lost with a descriptor, which these tests would notice', () =>
  whileUsed('open and close a descriptor', (path) => {
    expect(isGranted(path)).toBe(true);
  }));
