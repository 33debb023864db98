/** Runs `top`: on a terminal until the user quits; without one it prints the latest frame and ends. */
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/index.js';
import { FleetHistory } from '../dashboard/model/history.js';
import { readEnvironment, type Environment } from '../support/config.js';
import { picture } from './picture.js';
import { FleetSource } from './source.js';
import { summarize, type FleetSummary } from './summary.js';
import type { Input, Output } from './terminal.js';
import { TopApp } from './top-app.js';

export interface TopOptions {
  readonly env?: Environment;
  readonly args?: readonly string[];
  readonly input?: Input;
  readonly out?: Output;
  readonly err?: Output;
  /** Ends the program, as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

const USAGE = `Shows the fleet in the terminal. Without a terminal it prints the latest frame.

  npm run top                  keys: ? for help, q to quit
  npm run -s top -- --json     the latest frame as JSON

NO_COLOR=1 turns colours off. HOST and WEB_PORT say where the web server is.
`;

/** Milliseconds to wait for a new frame: several intervals, because the first frame reads every instance. */
const FRAME_TIMEOUT = 20_000;

/** @returns the exit code: 1 where there is no fleet, 2 for wrong arguments */
export async function runTop(options: TopOptions = {}): Promise<number> {
  const { env = readEnvironment(), args = process.argv.slice(2), out = process.stdout, err = process.stderr } = options;
  const flags = readFlags(args);
  if (typeof flags === 'string') {
    err.write(`${flags}\n\n${USAGE}`);
    return 2;
  }
  if (flags.help) {
    out.write(USAGE);
    return 0;
  }
  const source = new FleetSource(env);
  const signal = options.signal ?? endOnInterrupt();
  if (flags.json || out.isTTY !== true) return printOnce(source, signal, out, err, flags.json ? json : text);
  const input = options.input ?? process.stdin;
  await new TopApp({ source, out, input: input.isTTY ? input : undefined, hasColour: hasColour(env), signal }).run();
  return 0;
}

interface Flags {
  readonly json: boolean;
  readonly help: boolean;
}

function readFlags(args: readonly string[]): Flags | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    });
    return values;
  } catch (error) {
    return messageOf(error);
  }
}

/** no-color.org: any value but the empty one turns colours off. */
function hasColour({ NO_COLOR, TERM }: Environment): boolean {
  return !NO_COLOR && TERM !== 'dumb';
}

function text(summary: FleetSummary): string {
  return picture(summary).join('\n');
}

function json(summary: FleetSummary): string {
  return JSON.stringify(summary, undefined, 2);
}

async function printOnce(
  source: FleetSource,
  signal: AbortSignal,
  out: Output,
  err: Output,
  format: (summary: FleetSummary) => string,
): Promise<number> {
  const history = new FleetHistory();
  const timeout = AbortSignal.timeout(FRAME_TIMEOUT);
  try {
    for await (const { frame, isNew } of source.frames(AbortSignal.any([signal, timeout]))) {
      history.add(frame);
      if (!isNew || history.points.length === 0) continue;
      out.write(`${format(summarize(history)!)}\n`);
      return 0;
    }
    throw new Error('the stream ended');
  } catch (error) {
    err.write(`${source.url} cannot be followed: ${messageOf(error)}. Is the fleet running (npm run dev)?\n`);
    return 1;
  }
}

function endOnInterrupt(): AbortSignal {
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => ending.abort());
  return ending.signal;
}
