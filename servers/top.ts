/** `npm run top`: the fleet in a terminal. */
import { runTop } from './top/run-top.js';

process.exitCode = await runTop();
