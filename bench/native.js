// Starts a program such as nginx as the child of this process, with a configuration in a folder of its own, on a free port. It answers
// the questions that `listen` of harness.js answers for a server in Node.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';

const TICK = 10_000; // microseconds: Linux counts processor time in hundredths of a second

/**
 * Starts it, sends its port to the parent when it accepts connections, and ends with the parent.
 *
 * @param program Name of the executable.
 * @param args Makes its arguments from the folder.
 * @param files Makes the files in the folder, text by name, from the folder and the port.
 * @param requests Resolves to the number of requests received, from the folder and the port.
 */
export async function runProgram({ program, args, files, requests }) {
  const folder = mkdtempSync(join(tmpdir(), `bench-${program}-`));
  chmodSync(folder, 0o755); // started by root, nginx reads files as somebody else
  const port = await freePort();
  for (const [name, text] of Object.entries(files(folder, port))) writeFileSync(join(folder, name), text);
  const child = spawn(program, args(folder), { stdio: ['ignore', 'inherit', 'inherit'] });
  child.once('error', (error) => {
    console.error(`${program} is needed for comparison (apt-get install ${program}): ${error.message}`);
    process.exit(1);
  });
  const end = () => child.kill('SIGTERM');
  child.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
    process.exit();
  });
  process.once('SIGTERM', end);
  process.once('disconnect', end);
  await listening(port);
  const questions = {
    cpu: () => processorTimeBelow(child.pid),
    progress: async () => ({
      requests: await requests(folder, port),
      cpu: processorTimeBelow(child.pid),
      at: performance.now(),
    }),
  };
  process.on('message', async (question) => process.send(await questions[question]()));
  process.send(port);
}

/** The program cannot choose a port: one that was free a moment ago. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Settles when something accepts connections there. */
async function listening(port) {
  for (;;) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => socket.destroy()).once('connect', () => socket.end());
    });
    if (isThere) return;
    await pass(20);
  }
}

/** Microseconds of processor time of a process and its children, in the format of `process.cpuUsage`. */
function processorTimeBelow(parent) {
  let user = 0;
  let system = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (Number(fields[1]) !== parent && Number(pid) !== parent) continue;
      user += Number(fields[11]) * TICK;
      system += Number(fields[12]) * TICK;
    } catch {
      // ended meanwhile
    }
  }
  return { user, system };
}

/** Asks a program on a Unix socket, and resolves to its whole answer. */
export async function textFrom(path, question) {
  const socket = connect(path);
  socket.end(question);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return text;
}
