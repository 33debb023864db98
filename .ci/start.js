// Runs a built program of the fleet: node .ci/start.js orchestrator [arguments]
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [name = 'orchestrator'] = process.argv.splice(2, 1);
const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/servers', `${name}.js`);
if (!existsSync(program)) {
  process.stderr.write(
    'The fleet is not built yet: run "npm run build" first, or "npm run dev", which builds and starts it.\n',
  );
  process.exit(1);
}
process.argv[1] = program; // what the program finds its companions by
await import(pathToFileURL(program).href);
