// Programs run to their end, and what becomes of them.
import { spawn } from 'node:child_process';

/**
 * Milliseconds after which a program is considered hung. Where there is no binary of SQLite, npm compiles it, which takes
 * minutes on a busy machine.
 */
const PATIENCE = { program: 60_000, tool: 900_000 };

/** npm's own variables would tell a nested npm of the project that it was started from. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_(lifecycle|package|config_local)|NODE_PATH$)/.test(name)),
);

/** Resolves to `{ fault, output }`: `fault` is undefined where it ended well. */
function run(command, args, { cwd, patience, variables = {} }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...environment, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.once('error', (error) => resolve({ fault: error.message, output }));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const how = signal === 'SIGKILL' ? 'did not end by itself' : `ended with ${signal ?? code}`;
      resolve({ fault: code === 0 ? undefined : `${how}\n${output}${errors}`, output: output.trim() });
    });
  });
}

/** A consumer's program: it must say that it works, and end by itself. */
export async function runProgram(node, program, cwd, args = []) {
  const { fault, output } = await run(node, [program, ...args], { cwd, patience: PATIENCE.program });
  return fault ?? (output === 'works' ? undefined : `said '${output}'`);
}

/** The last line of what a program prints; `variables` are added to its environment. Throws where it fails. */
export async function outputOf(node, args, cwd, variables) {
  const { fault, output } = await run(node, args, { cwd, patience: PATIENCE.tool, variables });
  if (fault !== undefined) throw new Error(`${args.join(' ')}: ${fault}`);
  return output.split('\n').at(-1);
}

/** As many at a time as the machine can do; the outcomes in the order of the work. */
export async function together(work, width = 2) {
  const outcomes = [];
  let next = 0;
  const lane = async () => {
    while (next < work.length) {
      const place = next++;
      outcomes[place] = await work[place]();
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return outcomes;
}
