// The training service as it is deployed, several times in one process: service.js <megabytes of history>…
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainingServer } from '../../dist/servers/training-server.js';
import { listen } from '../harness.js';
import { shareOf, startProfile } from './profile.js';

/** The terminal that shows the lines is not a part of the service. */
const logTo = { write: () => undefined };

const folders = [];
process.once('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

async function service(megabytes) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-history-'));
  folders.push(folder);
  const env = { DATA_DIR: folder, CONTROL: 'loopback', HISTORY_MB: megabytes };
  const { app } = await trainingServer.create({ env, logTo });
  return createServer(app);
}

const [first, ...others] = await Promise.all(process.argv.slice(2).map(service));
for (const other of others) await once(other.listen(0, '127.0.0.1'), 'listening');
listen(first, {
  others: () => others.map((other) => other.address().port),
  startProfile: async () => {
    await startProfile();
    return true;
  },
  shareOfHistory: () => shareOf('servers/history/'),
});
