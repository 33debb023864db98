/** Programs that stand for instances, each a process of its own, and a driver that runs them. */
import { childProcesses, type ChildProcessesOptions } from '../../src/scaling/child-processes.js';
import type { InstanceSpec, ScalingDriver } from '../../src/scaling/driver.js';
import type { InstanceBehaviour } from '../../src/testing/scaling-driver-cases.js';

/** `crashes`: gets ready, and ends at once. */
export type Behaviour = InstanceBehaviour | 'crashes';

/** Answers with its process id, or, asked for anything but `/`, with who it is; `/slow` after a while. */
const SERVER = `
  const server = require('node:http').createServer((req, res) => {
    const who = JSON.stringify({ pid: process.pid, id: process.env.INSTANCE_ID });
    const answer = () => res.end(req.url === '/' ? String(process.pid) : who);
    req.resume().once('end', () => (req.url === '/slow' ? setTimeout(answer, 300) : answer()));
  });
  server.on('error', ({ message, code }) => process.send({ type: 'failed', message, code }, () => process.exit(78)));
  server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }));
`;
/** Finishes what it has begun, and goes. */
const ENDS = `
  process.once('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
`;

/** The source of each. */
export const PROGRAMS: Readonly<Record<Behaviour, string>> = {
  serves: SERVER + ENDS,
  silent: 'setInterval(() => {}, 1000);',
  dies: 'process.exit(3);',
  deaf: `${SERVER} process.on('SIGTERM', () => {});`,
  crashes: `${SERVER} server.on('listening', () => setTimeout(() => process.exit(3), 5));`,
};

/** A driver of child processes whose instances have a scripted behaviour: all the same one, or one by name. */
export function scriptedDriver(
  behaviour: Behaviour | ((spec: InstanceSpec) => Behaviour),
  options: ChildProcessesOptions = {},
): ScalingDriver {
  const of = typeof behaviour === 'function' ? behaviour : () => behaviour;
  return childProcesses({
    command: (spec) => ({
      args: ['-e', PROGRAMS[of(spec)]],
      env: { PORT: String(spec.port), INSTANCE_ID: spec.id },
    }),
    ...options,
  });
}
