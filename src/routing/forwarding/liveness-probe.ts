/** Checks whether an instance that is suspected of being frozen responds at all. */
import type { Target } from '../target.js';
import { openNodeRequest } from './node-transport.js';
import type { UpstreamOptions } from './upstream-call.js';

/**
 * Sends `OPTIONS *`, the ping of HTTP (RFC 9110 §9.3.7), on its own connection. Every response counts, even with an
 * error status. An accepted connection alone does not, because the kernel accepts it even for a stopped process.
 *
 * @param onResult called once with whether it responded, unless the probe was cancelled
 * @returns a function that cancels the probe
 */
export function probeLiveness(
  target: Target,
  options: UpstreamOptions,
  onResult: (isAlive: boolean) => void,
): () => void {
  let isOver = false;
  const finish = (isAlive: boolean): void => {
    if (isOver) return;
    isOver = true;
    request.destroy();
    onResult(isAlive);
  };
  const headers = ['Host', target.authority, 'Connection', 'close', 'User-Agent', 'tooloo-liveness-probe'];
  const request = openNodeRequest(target, options, { method: 'OPTIONS', path: '*', headers });
  request.once('socket', (socket) => socket.unref());
  request.once('response', (response) => {
    response.resume();
    finish(true);
  });
  request.on('error', (error) => finish((error as { code?: string }).code?.startsWith('HPE_') === true));
  request.once('close', () => finish(false));
  request.end();
  return () => {
    isOver = true;
    request.destroy();
  };
}
