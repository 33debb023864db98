/** One exchange over a socket, and what a client reads from its bytes. */
import { connect } from 'node:net';
import type { RequestKind } from './requests.js';

/** Milliseconds after which an exchange counts as unanswered: a busy machine is slow, not wrong. */
const LIMIT = 30_000;

/** Everything the server sends until it closes the connection. */
export function exchange(port: number, kind: RequestKind, target: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const finish = (end: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received + end);
    };
    const timer = setTimeout(() => finish('<no end>'), LIMIT);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      received += chunk;
    });
    socket.once('end', () => finish(''));
    socket.once('error', () => finish('')); // a reset ends the exchange as a close does
    socket.once('close', () => finish(''));
    socket.write(kind.bytes(target), 'latin1');
  });
}

/** One response as a client understands it. */
export interface Message {
  readonly status: number;
  readonly reason: string;
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
  readonly trailers: ReadonlyArray<readonly [name: string, value: string]>;
  /** Whether the message ended where it says that it ends. */
  readonly isComplete: boolean;
}

const valueOf = (fields: Message['fields'], name: string): string | undefined =>
  fields.find(([one]) => one.toLowerCase() === name)?.[1];

function fieldsOf(lines: readonly string[]): Message['fields'] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

interface Body extends Pick<Message, 'body' | 'trailers' | 'isComplete'> {
  readonly rest: string;
}

function chunkedBody(text: string): Body {
  let body = '';
  let rest = text;
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = line === -1 ? NaN : Number.parseInt(rest.slice(0, line), 16);
    if (Number.isNaN(size)) return { body, trailers: [], isComplete: false, rest: '' };
    rest = rest.slice(line + 2);
    if (size === 0) break;
    body += rest.slice(0, size);
    if (rest.length < size + 2) return { body, trailers: [], isComplete: false, rest: '' };
    rest = rest.slice(size + 2);
  }
  if (rest.startsWith('\r\n')) return { body, trailers: [], isComplete: true, rest: rest.slice(2) };
  const end = rest.indexOf('\r\n\r\n');
  if (end === -1) return { body, trailers: [], isComplete: false, rest: '' };
  return { body, trailers: fieldsOf(rest.slice(0, end).split('\r\n')), isComplete: true, rest: rest.slice(end + 4) };
}

/** RFC 9112 §6.3: how long the body is. */
function bodyOf(text: string, method: string, status: number, fields: Message['fields']): Body {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
    return { body: '', trailers: [], isComplete: true, rest: text };
  }
  if (valueOf(fields, 'transfer-encoding')?.toLowerCase() === 'chunked') return chunkedBody(text);
  const length = valueOf(fields, 'content-length');
  if (length === undefined) return { body: text, trailers: [], isComplete: true, rest: '' };
  const size = Number(length);
  return { body: text.slice(0, size), trailers: [], isComplete: text.length >= size, rest: text.slice(size) };
}

/** The messages of an exchange. */
export function messagesOf(received: string, kind: RequestKind): Message[] {
  const methods = [...kind.bytes('/x').matchAll(/(?:^|\r\n\r\n.*?)([A-Z]+) \S+ HTTP\/1\.[01]\r\n/g)].map(
    ([, name]) => name!,
  );
  return messagesIn(received, methods);
}

/** The messages that answer requests of these methods; what follows the last of them is one more, without a status. */
export function messagesIn(received: string, requestMethods: readonly string[]): Message[] {
  const methods = [...requestMethods];
  const messages: Message[] = [];
  let rest = received;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    const [statusLine = '', ...lines] = rest.slice(0, end === -1 ? undefined : end).split('\r\n');
    const match = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(statusLine);
    if (match === null || end === -1) {
      messages.push({ status: 0, reason: '', fields: [], body: rest, trailers: [], isComplete: false });
      break;
    }
    const status = Number(match[1]);
    const fields = fieldsOf(lines);
    const { rest: next, ...body } = bodyOf(rest.slice(end + 4), methods[0] ?? '', status, fields);
    if (status >= 200) methods.shift();
    messages.push({ status, reason: match[2]!, fields, ...body });
    rest = next;
  }
  return messages;
}
