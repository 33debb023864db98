/** The clients of the proxy's fuzz suites: raw bytes over HTTP/1, streams over HTTP/2, and what each read. */
import { connect as connectHttp2, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { pathOfMark } from '../support/frame-instance.js';
import { messagesIn, type Message } from '../transparency/exchange.js';
import type { ClientScript, Protocol, RequestScript } from './proxy-grammar.js';

/** The answers that a client has read, in the order of its requests. */
export interface Reading {
  /** All that was read as the answer to this request. */
  readonly text: string;
  /** Whether a client takes it for a whole answer. */
  readonly isWhole: boolean;
  /** Whether it followed a 101: pipelined requests then went to the instance as bytes of a tunnel. */
  readonly isTunnel?: boolean;
}

/** Milliseconds that a client with all its answers waits for further bytes, which must not arrive. */
const LISTENING = 15;

/** Milliseconds a client waits for answers. Longer than the proxy's timeout, so that staying is not leaving. */
const CLIENT_TIMEOUT = 600;

/** The target that names this mark, in a form that the instance can read. */
function targetOf(target: string, id: string, instanceProtocol: Protocol): string {
  return target.replace('/ID', instanceProtocol === 'http2' ? pathOfMark(id) : `/${id}`);
}

/** The bytes of a request whose marks are this id. */
function bytesOf({ method, target, host, fields, framing, body }: RequestScript, id: string, to: Protocol): string {
  const lines = [`${method} ${targetOf(target, id, to)} HTTP/1.1`, ...(host === '' ? [] : [host]), ...fields];
  const chunks = (trailers: string): string =>
    `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n${trailers}\r\n`;
  const message = (more: readonly string[], content: string): string =>
    `${[...lines, ...more].join('\r\n')}\r\n\r\n${content}`;
  switch (framing) {
    case 'none':
      return message([], '');
    case 'length':
      return message([`Content-Length: ${body.length}`], body);
    case 'chunked':
      return message(['Transfer-Encoding: chunked'], chunks(''));
    case 'trailers':
      return message(['Transfer-Encoding: chunked', 'Trailer: X-T'], chunks('X-T: 1\r\nHost: evil\r\n'));
    case 'both':
      return message(['Transfer-Encoding: chunked', 'Content-Length: 4'], chunks(''));
    case 'expect':
      return message(['Expect: 100-continue', `Content-Length: ${body.length}`], body);
    case 'expect-trailer':
      return message(['Expect: 100-continue', 'Trailer: X-T', `Content-Length: ${body.length}`], body);
    case 'upgrade':
      return message(['Connection: Upgrade', 'Upgrade: websocket'], '');
  }
}

const isAnswer = ({ status }: Message): boolean => status === 0 || status >= 200;

function readingsOf(messages: readonly Message[]): Reading[] {
  const tunnelAt = messages.findIndex(({ status }) => status === 101);
  const answers = messages.slice(0, tunnelAt === -1 ? undefined : tunnelAt).filter(isAnswer);
  const readings: Reading[] = answers.map(({ body, isComplete }) => ({ text: body, isWhole: isComplete }));
  if (tunnelAt === -1) return readings;
  const text = messages.slice(tunnelAt).map(({ body }) => body);
  return [...readings, { text: text.join(''), isWhole: false, isTunnel: true }];
}

/** Sends the requests of a script, pipelined, and reads until the connection ends. */
export function runHttp1Client(
  port: number,
  { requests, sentShare, step }: ClientScript,
  ids: readonly string[],
  to: Protocol,
): Promise<Reading[]> {
  const all = Buffer.from(requests.map((one, i) => bytesOf(one, ids[i]!, to)).join(''), 'latin1');
  const sent = all.subarray(0, Math.floor(all.length * sentShare));
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    let timer = setTimeout(() => socket.destroy(), CLIENT_TIMEOUT);
    const messages = (): Message[] =>
      messagesIn(
        received,
        requests.map(({ method }) => method),
      );
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const answers = messages().filter(isAnswer);
      if (answers.length < requests.length || !answers.every(({ isComplete }) => isComplete)) return;
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), LISTENING);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(readingsOf(messages()));
    });
    socket.once('connect', () => {
      const size = step === 0 ? sent.length : Math.max(step, Math.ceil(sent.length / 50));
      for (let at = 0; at < sent.length; at += size) socket.write(sent.subarray(at, at + size));
      if (sentShare < 1) socket.write('', () => socket.destroy());
    });
  });
}

/** Fields that an HTTP/2 message cannot have. */
const NOT_IN_HTTP2 = /^(?:connection|te|trailer|host)$/;

function http2Fields({ method, target, host, fields, framing, body }: RequestScript, id: string, to: Protocol) {
  const headers: OutgoingHttpHeaders = { ':method': method, ':path': targetOf(target, id, to) };
  if (host !== '') headers[':authority'] = host.split('\r\n')[0]!.slice('Host: '.length);
  for (const field of fields) {
    const [name = '', value = ''] = field.split(': ');
    if (!NOT_IN_HTTP2.test(name.toLowerCase())) headers[name.toLowerCase()] = value;
  }
  if (framing === 'length') headers['content-length'] = body.length;
  if (framing.startsWith('expect')) headers.expect = '100-continue';
  return headers;
}

function runStream(
  session: ClientHttp2Session,
  request: RequestScript,
  id: string,
  to: Protocol,
  sentShare: number,
): Promise<Reading> {
  const { framing } = request;
  const body = framing === 'none' || framing === 'upgrade' ? undefined : Buffer.from(request.body);
  return new Promise((resolve) => {
    const hasTrailers = framing === 'trailers' && sentShare === 1;
    const stream = session.request(http2Fields(request, id, to), {
      endStream: body === undefined,
      waitForTrailers: hasTrailers,
    });
    let text = '';
    let hasEnded = false;
    let hasLeft = false;
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    stream.once('end', () => (hasEnded = !stream.aborted));
    stream.once('close', () => resolve({ text, isWhole: hasEnded && !hasLeft && stream.rstCode === 0 }));
    if (hasTrailers) stream.once('wantTrailers', () => stream.sendTrailers({ 'x-t': '1' }));
    const leave = (): void => {
      hasLeft = true;
      stream.destroy(new Error('the client leaves'));
    };
    if (sentShare === 1) {
      if (body !== undefined) stream.end(body);
    } else if (body === undefined) setImmediate(leave);
    else stream.write(body.subarray(0, Math.floor(body.length * sentShare)), leave);
  });
}

/** Sends the requests of a script as streams of one session. */
export async function runHttp2Client(
  port: number,
  { requests, sentShare }: ClientScript,
  ids: readonly string[],
  to: Protocol,
): Promise<Reading[]> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  const timer = setTimeout(() => session.destroy(new Error('the client leaves')), CLIENT_TIMEOUT);
  try {
    return await Promise.all(requests.map((one, i) => runStream(session, one, ids[i]!, to, sentShare)));
  } finally {
    clearTimeout(timer);
    session.destroy();
  }
}
