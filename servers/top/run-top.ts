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

/**
 * On a terminal until it is ended; elsewhere one picture, once there are figures.
 *
 * @returns the code to exit with
 */
export async function runTop(options: TopOptions = {}): Promise<number> {
  const { env = readEnvironment(), out = process.stdout, err = process.stderr } = options;
  const ending = options.signal ?? endOnInterrupt();
  const config = readConfig(env);
  const url = `http://${config.HOST}:${portOf(config, 'web')}`;
  const token = config.CONTROL_TOKEN ?? config.DASHBOARD_TOKEN;
  const history = new FleetHistory();
  const isLive = out.isTTY === true;
  if (isLive) out.write(HIDE_CURSOR + HOME + CLEAR_BELOW);
  try {
    for (;;) {
      try {
        for await (const frame of framesOf(url, token, ending)) {
          history.add(frame);
          if (isLive) redraw(out, picture(history, { columns: out.columns ?? 80, rows: (out.rows ?? 24) - 1 }));
          else if (history.points.length > 0) {
            out.write(`${picture(history, UNBOUNDED).join('\n')}\n`);
            return 0;
          }
        }
      } catch (error) {
        if (ending.aborted) return 0;
        if (!isLive) {
          err.write(`${url} cannot be followed: ${messageOf(error)}. Is the fleet running (npm run dev)?\n`);
          return 1;
        }
        redraw(out, [`${url} cannot be followed: ${messageOf(error)}. Trying again…`]);
      }
      await pause(RECONNECT_MS, ending);
      if (ending.aborted) return 0;
    }
  } finally {
    if (isLive) out.write(SHOW_CURSOR);
  }
}

async function* framesOf(url: string, token: string | undefined, signal: AbortSignal): AsyncGenerator<Frame> {
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
