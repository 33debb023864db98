/** What the proxy's fuzz suites generate: clients, what they ask, how instances answer, and configurations. */
import type { ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import fc from '../support/fast-check.js';
import { FRAME_ENDS, type FrameAnswer } from '../support/frame-instance.js';
import type { ScriptedAnswer } from '../support/scripted-instance.js';

/** The placeholder in an answer for the mark of its request. */
export const MARK = '<<ID>>';

/** An answer over HTTP/1, and what may follow from it. */
export interface Answer extends ScriptedAnswer {
  /** Whether its body breaks off. A client must not take it for a whole answer. */
  readonly isTorn: boolean;
  /** Whether the rules allow no second attempt after it, because it is an answer that works. */
  readonly isPlain: boolean;
}

export interface RequestScript {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly fields: readonly string[];
  readonly framing: 'none' | 'length' | 'chunked' | 'trailers' | 'both' | 'expect' | 'expect-trailer' | 'upgrade';
  readonly body: string;
  readonly answer: Answer;
  /** The answer of an instance that speaks HTTP/2. */
  readonly frames: FrameAnswer;
}

export interface ClientScript {
  /** Pipelined on one connection, or streams of one session. */
  readonly requests: readonly RequestScript[];
  /** Share of the bytes that are sent before the client leaves; 1: it stays. */
  readonly sentShare: number;
  /** Bytes per write; 0: all at once. */
  readonly step: number;
}

export type Protocol = 'http1' | 'http2';

export interface Script {
  readonly front: 'compose' | 'express' | 'express4' | 'json' | 'json4';
  readonly clientProtocol: Protocol;
  readonly instanceProtocol: Protocol;
  readonly targets: number;
  readonly attached: boolean;
  readonly options: Partial<ProxyBalancedOptions>;
  readonly clients: readonly ClientScript[];
}

const PLAIN_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.1 201 Created',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 404 \u00d0\u009d\u00d0\u00b5',
];

const ODD_LINES = [
  'HTTP/1.1 500 Oops',
  'HTTP/1.1 502 Bad\u0001Gateway',
  'HTTP/1.1 503 Busy\r\nRetry-After: 1',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 099 Low',
  'HTTP/1.1 000 Zero',
  'HTTP/1.1 799 High',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket',
  'HTTP/2 200 OK',
  'garbage',
];

const PLAIN_INTERIM = ['', 'HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'];

const ODD_INTERIM = ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early \u0001Hints\r\nLink: <\u00ff>\r\n\r\n'];

const PLAIN_FIELDS = ['Set-Cookie: a=1', 'X-A: \u00e9\u00ff', 'Keep-Alive: timeout=1', 'Location: http://127.0.0.1/x'];

const ODD_FIELDS = [
  'Trailer: Server-Timing',
  'Connection: set-cookie, content-length, x-a',
  'X-A: \u0001',
  'Transfer-Encoding: gzip, chunked',
  'Content-Length: 3',
  'Content-Type: text/event-stream',
  'Upgrade: h2c',
];

const REQUEST_FIELDS = [
  'Connection: x-a, authorization, host',
  'Connection: close',
  'X-Forwarded-For: 1.2.3.4',
  'X-Forwarded-Host: evil.example',
  'Max-Forwards: 0',
  'Max-Forwards: 3',
  'Cookie: tooloo_instance=x; a=b',
  'Content-Type: application/json',
  'Content-Type: application/x-www-form-urlencoded; charset=latin1',
  'Content-Encoding: gzip',
  'TE: trailers, deflate',
  'Range: bytes=0-1',
  'If-None-Match: "x"',
  'X-B: \u00e9',
  'Trailer: X-T',
];

interface AnswerChoices extends Pick<ScriptedAnswer, 'isEarly' | 'end'> {
  readonly interim: readonly string[];
  readonly line: string;
  readonly fields: readonly string[];
  readonly framing: 'length' | 'chunked' | 'trailers' | 'close' | 'short' | 'cut' | 'none';
}

function answerOf({ interim, line, fields, framing, isEarly, end }: AnswerChoices): Answer {
  const head = (more: readonly string[]): string => `${[line, ...fields, ...more].join('\r\n')}\r\n\r\n`;
  const parts: Record<AnswerChoices['framing'], string[]> = {
    length: [head([`Content-Length: ${MARK.length}`]), MARK],
    chunked: [head(['Transfer-Encoding: chunked']), `6\r\n${MARK}\r\n`, '0\r\n\r\n'],
    trailers: [
      head(['Transfer-Encoding: chunked', 'Trailer: X-T']),
      `6\r\n${MARK}\r\n0\r\nX-T: 1\r\nSet-Cookie: t=1\r\n\r\n`,
    ],
    close: [head(['Connection: close']), MARK],
    short: [head(['Content-Length: 100']), MARK],
    cut: [head(['Transfer-Encoding: chunked']), `6\r\n${MARK}`],
    none: [],
  };
  const isTorn = framing === 'short' || framing === 'cut';
  // Bytes written before a reset, or to a client that still sends, may be lost with the connection.
  const mayBeLost = end === 'reset' || (isEarly && end !== 'keep');
  const isKnown =
    PLAIN_LINES.includes(line) &&
    fields.every((field) => PLAIN_FIELDS.includes(field)) &&
    interim.every((one) => PLAIN_INTERIM.includes(one));
  return {
    isEarly,
    parts: [...interim, ...parts[framing]].filter((part) => part !== ''),
    end,
    isTorn,
    isPlain: isKnown && framing !== 'none' && !isTorn && !mayBeLost,
  };
}

const answers: fc.Arbitrary<Answer> = fc
  .record<AnswerChoices>({
    interim: fc.array(fc.constantFrom(...PLAIN_INTERIM, ...ODD_INTERIM), { maxLength: 2 }),
    line: fc.oneof(
      { weight: 3, arbitrary: fc.constant(PLAIN_LINES[0]!) },
      fc.constantFrom(...PLAIN_LINES, ...ODD_LINES),
    ),
    fields: fc.array(fc.constantFrom(...PLAIN_FIELDS, ...ODD_FIELDS), { maxLength: 2 }),
    framing: fc.constantFrom('length', 'chunked', 'trailers', 'close', 'short', 'cut', 'none'),
    isEarly: fc.boolean(),
    end: fc.constantFrom<ScriptedAnswer['end']>('keep', 'keep', 'close', 'reset', 'hang'),
  })
  .map(answerOf);

const frameAnswers: fc.Arbitrary<FrameAnswer> = fc.record<FrameAnswer>({
  isEarly: fc.boolean(),
  interim: fc.array(fc.constantFrom('100', '102', '103'), { maxLength: 2 }),
  status: fc.constantFrom('200', '200', '200', '201', '204', '304', '404', '500', '503', '099', undefined),
  fields: fc.array(
    fc.constantFrom<FrameAnswer['fields'][number]>(
      ['content-length', '6'],
      ['content-length', '6'],
      ['content-length', '9'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['x-a', '\u00e9'],
      ['x-a', '\u0001'],
      ['connection', 'close'],
      ['retry-after', '1'],
      ['trailer', 'x-t'],
    ),
    { maxLength: 2 },
  ),
  body: fc.constantFrom(MARK, MARK, ''),
  end: fc.oneof({ weight: 2, arbitrary: fc.constantFrom('end', 'trailers') }, fc.constantFrom(...FRAME_ENDS)),
});

const requests: fc.Arbitrary<RequestScript> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'),
  target: fc.constantFrom(
    '/ID',
    '/ID',
    '/ID',
    '/a/../ID',
    '/../ID',
    '/%2e%2e/ID',
    'http://a.example/ID',
    '/ID#f',
    '*',
    '//ID',
  ),
  host: fc.constantFrom('Host: a', 'Host: a', 'Host: a', '', 'Host: a\r\nHost: b', 'Host: a b', 'Host: [::1]:80'),
  fields: fc.array(fc.constantFrom(...REQUEST_FIELDS), { maxLength: 3 }),
  framing: fc.constantFrom(
    'none',
    'none',
    'length',
    'chunked',
    'trailers',
    'both',
    'expect',
    'expect-trailer',
    'upgrade',
  ),
  body: fc.constantFrom('', '{}', '{"a":1}', 'a=1&a=2', 'x'.repeat(70_000)),
  answer: answers,
  frames: frameAnswers,
});

const options: fc.Arbitrary<Partial<ProxyBalancedOptions>> = fc.record(
  {
    sticky: fc.constant({ secret: 's' }),
    hedge: fc.constant({ delay: 5 }),
    retry: fc.constant(false as const),
    maxConnections: fc.constantFrom(1, 2),
    maxBodyBuffer: fc.constantFrom(0, 5),
    targetTimeout: fc.constant(100),
    transformResponse: fc.constant((body: Buffer) => `[${body.toString()}]`),
    rewriteLocation: fc.constant(true),
    preserveHeaderCase: fc.constant(true),
    changeOrigin: fc.constant(true),
    onRequestHeaders: fc.constant(() => undefined),
  },
  { requiredKeys: [] },
);

/** Whole scripts: `clientProtocols` and `instanceProtocol` are what this suite is about. */
export function scripts(clientProtocols: readonly Protocol[], instanceProtocol: Protocol): fc.Arbitrary<Script> {
  return fc.record<Script>({
    front: fc.constantFrom('compose', 'compose', 'express', 'express4', 'json', 'json4'),
    clientProtocol: fc.constantFrom(...clientProtocols),
    instanceProtocol: fc.constant(instanceProtocol),
    targets: fc.constantFrom(1, 1, 3),
    attached: fc.boolean(),
    options,
    clients: fc.array(
      fc.record({
        requests: fc.array(requests, { minLength: 1, maxLength: 3 }),
        sentShare: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
        step: fc.constantFrom(0, 0, 7, 997),
      }),
      { minLength: 1, maxLength: 10 },
    ),
  });
}
