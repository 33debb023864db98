// Simulates a fleet under the load of a CSV file with several scalers: `npm run simulate -- FILE.csv`. The program is in
// test/scaling/simulation, because the tests use the same model. It is bundled first, because it is TypeScript.
import { buildSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const { outputFiles } = buildSync({
  entryPoints: [fileURLToPath(new URL('../../test/scaling/simulation/cli.ts', import.meta.url))],
  bundle: true,
  write: false,
  platform: 'node',
  logLevel: 'warning',
});
const { status } = spawnSync(process.execPath, ['-', ...process.argv.slice(2)], {
  input: outputFiles[0].text,
  stdio: ['pipe', 'inherit', 'inherit'],
});
process.exitCode = status ?? 1;
