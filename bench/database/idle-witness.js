// A process that does nothing but measure its event loop: tells the parent, when asked, the longest delay in milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
process.once('message', () => process.send(delays.max / 1e6));
process.send('ready');
