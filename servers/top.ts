/** `npm run top`: the fleet in a terminal. */
import { runTop } from './top/run-top.js';

// A reader that needs only the beginning closes the pipe (`npm run top | head -3`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runTop().then((code) => {
  process.exitCode = code;
});
