// A process that only measures its event loop. On request it sends the parent the longest delay in milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
process.once('message', () => process.send(delays.max / 1e6));
process.send('ready');
