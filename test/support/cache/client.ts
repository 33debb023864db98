/** One request over HTTP/1.1 or HTTP/2, on connections that are kept: whole, torn, or left by the client. */
import http from 'node:http';
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { gunzipSync } from 'node:zlib';

export interface Received {
  readonly status: number;
  /** Lines in the order in which they came, names in lowercase. */
  readonly lines: ReadonlyArray<readonly [name: string, value: string]>;
  /** Decoded, where it is whole. */
  readonly body: string;
  /** The body as received, not decoded. */
  readonly raw: string;
  /** Cut short, or never begun. */
  readonly isTorn: boolean;
}

export interface Sent {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  /** When the client leaves: before anything came, or once the head is there. */
  readonly leaves?: 'now' | 'head' | undefined;
}

const agent = new http.Agent({ keepAlive: true });
const sessions = new Map<number, ClientHttp2Session>();

const TORN: Received = { status: 0, lines: [], body: '', raw: '', isTorn: true };

/** Ends all connections. */
export function endClients(): void {
  agent.destroy();
  for (const session of sessions.values()) session.destroy();
  sessions.clear();
}

/** The value of a field; several lines are joined. */
export function fieldOf({ lines }: Received, name: string): string | undefined {
  const values = lines.filter(([other]) => other === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(', ');
}

function received(status: number, lines: Received['lines'], chunks: readonly Buffer[], isTorn: boolean): Received {
  const bytes = Buffer.concat(chunks);
  const raw = bytes.toString('latin1');
  const isPacked = lines.some(([name, value]) => name === 'content-encoding' && value === 'gzip');
  return { status, lines, body: isPacked && !isTorn ? decoded(bytes) : raw, raw, isTorn };
}

/** A part of what is encoded cannot be decoded. */
function decoded(bytes: Buffer): string {
  try {
    return gunzipSync(bytes).toString('latin1');
  } catch {
    return bytes.toString('latin1');
  }
}

export function askHttp1(port: number, { method, target, headers, leaves }: Sent): Promise<Received> {
  return new Promise((resolve) => {
    const req = http.request({ host: '127.0.0.1', port, path: target, method, headers, agent });
    req.on('error', () => resolve(TORN));
    req.on('response', (res) => {
      if (leaves === 'head') req.destroy();
      const chunks: Buffer[] = [];
      const lines: Array<[string, string]> = [];
      for (let i = 0; i < res.rawHeaders.length; i += 2) {
        lines.push([res.rawHeaders[i]!.toLowerCase(), res.rawHeaders[i + 1]!]);
      }
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', () => undefined);
      res.on('close', () => resolve(received(res.statusCode!, lines, chunks, !res.complete)));
    });
    req.end();
    if (leaves === 'now') setImmediate(() => req.destroy());
  });
}

function sessionTo(port: number): ClientHttp2Session {
  const open = sessions.get(port);
  if (open !== undefined && !open.destroyed && !open.closed) return open;
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  sessions.set(port, session);
  return session;
}

export function askHttp2(port: number, { method, target, headers, leaves }: Sent): Promise<Received> {
  return new Promise((resolve) => {
    const { host, ...others } = headers;
    const pseudo = { ':method': method, ':path': target, ...(host !== undefined && { ':authority': host }) };
    const stream = sessionTo(port).request({ ...pseudo, ...others }, { endStream: true });
    const chunks: Buffer[] = [];
    let head: IncomingHttpHeaders | undefined;
    let hasEnded = false;
    stream.on('response', (fields) => {
      head = fields;
      if (leaves === 'head') stream.close(http2.constants.NGHTTP2_CANCEL);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => (hasEnded = true));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      if (head === undefined) return resolve(TORN);
      const lines = Object.entries(head).flatMap(([name, value]): Array<[string, string]> =>
        name.startsWith(':') ? [] : [value ?? []].flat().map((line) => [name, line]),
      );
      const isTorn = !hasEnded || stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR;
      resolve(received(Number(head[':status']), lines, chunks, isTorn));
    });
    if (leaves === 'now') setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL));
  });
}
