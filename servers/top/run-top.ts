/** Follows the web server's stream and draws each frame in the place of the one before. */
import { FleetHistory } from '../dashboard/model/history.js';
import { SseParser } from '../dashboard/model/sse-parser.js';
import { messageOf } from '../../src/index.js';
import { portOf, readConfig, readEnvironment, type Environment } from '../support/config.js';
import type { Frame } from '../web/fleet-sampler.js';
import { picture, type Size } from './picture.js';

/** As much of a terminal as is needed. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

export interface TopOptions {
  readonly env?: Environment;
  readonly out?: Terminal;
  readonly err?: Terminal;
  /** Ends it; Ctrl-C does the same. */
  readonly signal?: AbortSignal;
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** To the upper left corner; and from there on nothing. */
const HOME = '\u001b[H';
const CLEAR_BELOW = '\u001b[J';
const CLEAR_LINE = '\u001b[K';

/** Where there is no terminal there is no width either. */
const UNBOUNDED: Size = { columns: Infinity, rows: Infinity };

const RECONNECT_MS = 1000;

/** The stream of a web server, as it is to be followed. */
interface Source {
  readonly url: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * On a terminal until it is ended; elsewhere one picture, once there are figures.
 *
 * @returns the code to exit with
 */
export async function runTop(options: TopOptions = {}): Promise<number> {
  const { env = readEnvironment(), out = process.stdout, err = process.stderr, signal = endOnInterrupt() } = options;
  const config = readConfig(env);
  const url = `http://${config.HOST}:${portOf(config, 'web')}`;
  const source = { url, token: config.CONTROL_TOKEN ?? config.DASHBOARD_TOKEN, signal };
  if (out.isTTY !== true) return printOnce(source, out, err);
  out.write(HIDE_CURSOR + HOME + CLEAR_BELOW);
  try {
    await drawUntilEnded(source, out);
  } finally {
    out.write(SHOW_CURSOR);
  }
  return 0;
}

async function printOnce(source: Source, out: Terminal, err: Terminal): Promise<number> {
  const history = new FleetHistory();
  try {
    for await (const frame of framesOf(source)) {
      history.add(frame);
      if (history.points.length === 0) continue;
      out.write(`${picture(history, UNBOUNDED).join('\n')}\n`);
      return 0;
    }
    throw new Error('the stream ended');
  } catch (error) {
    err.write(`${source.url} cannot be followed: ${messageOf(error)}. Is the fleet running (npm run dev)?\n`);
    return 1;
  }
}

async function drawUntilEnded(source: Source, out: Terminal): Promise<void> {
  const history = new FleetHistory();
  while (!source.signal.aborted) {
    try {
      for await (const frame of framesOf(source)) {
        history.add(frame);
        redraw(out, picture(history, { columns: out.columns ?? 80, rows: (out.rows ?? 24) - 1 }));
      }
    } catch (error) {
      if (!source.signal.aborted) redraw(out, [`${source.url} cannot be followed: ${messageOf(error)}. Trying again…`]);
    }
    await pause(RECONNECT_MS, source.signal);
  }
}

async function* framesOf({ url, token, signal }: Source): AsyncGenerator<Frame> {
  const headers = { Accept: 'text/event-stream', ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${url}/api/v1/dashboard/stream`, { headers, signal });
  if (!answer.ok || answer.body === null) throw new Error(`it answered ${answer.status}`);
  const parser = new SseParser();
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    for (const { event, data } of parser.push(text)) if (event === 'frame') yield JSON.parse(data) as Frame;
  }
}

/** Over what is there, line by line: cleared first it would flicker. */
function redraw(out: Terminal, lines: readonly string[]): void {
  out.write(HOME + lines.map((line) => `${line}${CLEAR_LINE}\n`).join('') + CLEAR_BELOW);
}

function endOnInterrupt(): AbortSignal {
  const ending = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort());
  return ending.signal;
}

function pause(delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, delay);
    signal.addEventListener('abort', end, { once: true });
  });
}
