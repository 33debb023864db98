/** An HTTP server in a process of its own, to be killed, frozen and restarted. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Answers with its process id; `/slow` after 20 ms; ends in order on SIGTERM: refuses, finishes, goes. */
const SCRIPT = `
const http = require('node:http');
const server = http.createServer((req, res) => {
  req.resume();
  req.once('end', () => {
    if (process.env.SICK) res.writeHead(500);
    setTimeout(() => res.end(String(process.pid)), req.url === '/slow' ? 20 : 1);
  });
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => process.send(server.address().port));
process.once('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
process.once('disconnect', () => process.exit(0));
`;

export interface InstanceProcess {
  readonly port: number;
  readonly url: string;
  /** Sends a signal: SIGKILL, SIGSTOP, SIGCONT, SIGTERM. */
  signal(name: NodeJS.Signals): void;
  /** Settles when the process has ended. */
  readonly exited: Promise<unknown>;
  /** Kills it, frozen or not. */
  close(): Promise<void>;
}

export async function startInstance({ port = 0, sick = false } = {}): Promise<InstanceProcess> {
  const env = { ...process.env, PORT: String(port), ...(sick && { SICK: '1' }) };
  const child: ChildProcess = spawn(process.execPath, ['-e', SCRIPT], {
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const [bound] = (await once(child, 'message')) as [number];
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    signal: (name) => void child.kill(name),
    exited,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
