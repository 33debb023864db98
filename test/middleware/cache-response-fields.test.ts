/** The fields of a hit: sent as they were stored, and readable on the response for a log. */
import { ServerResponse, type IncomingMessage, type RequestListener } from 'node:http';
import { cacheResponse } from '../../src/middleware/cache-response.js';
import { compose, type Handler } from '../../src/middleware/compose.js';
import { rateLimit } from '../../src/middleware/rate-limit.js';
import { ask, listen, portOf, shut, until, type Answer } from '../support/cache-rig.js';

const LINES = ['</a>; rel=preload', '</b>; rel=preload'];

const origin: RequestListener = (_req, res) => {
  const fields = {
    'Cache-Control': 'max-age=60',
    ETag: '"1"',
    'X-Own': 'stored',
    Link: [...LINES],
    'Content-Length': 4,
  };
  for (const [name, value] of Object.entries(fields)) res.setHeader(name, value);
  res.end('body');
};

interface Seen {
  readonly answers: Answer[];
  readonly logged: ReturnType<ServerResponse['getHeaders']>[];
}

/** Answers of the chain to the same request, and the fields that a log in front of it read after each. */
async function seenOf(chain: readonly Handler[], requests = 3, headers = {}): Promise<Seen> {
  const logged: Seen['logged'] = [];
  const log = (_req: IncomingMessage, res: ServerResponse, next: () => void): void => {
    res.on('finish', () => void logged.push(res.getHeaders()));
    next();
  };
  const server = await listen(compose(log, ...chain));
  const answers: Answer[] = [];
  try {
    for (let i = 0; i < requests; i++) {
      answers.push(await ask(portOf(server), '/', { headers }));
      await until(() => logged.length === answers.length);
    }
  } finally {
    await shut(server);
  }
  return { answers, logged };
}

const before = (_req: IncomingMessage, res: ServerResponse, next: () => void): void => {
  res.setHeader('X-Own', 'of each request');
  res.setHeader('X-Frame-Options', 'DENY');
  next();
};

/** A wrapper as that of compression: it reads and changes fields when the head is written. */
const hooked = (_req: IncomingMessage, res: ServerResponse, next: () => void): void => {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    res.appendHeader('Link', '</own>; rel=preload');
    res.appendHeader('X-Own', 'added');
    return writeHead(...args);
  };
  next();
};

test.each([
  ['alone', []],
  ['behind a limiter', [rateLimit({ rateLimit: 100, refillRate: 1 })]],
  ['behind fields that were set', [before]],
])('%s: a log reads the fields of a hit like those of a miss', async (_name, chain) => {
  const { answers, logged } = await seenOf([...chain, cacheResponse(), origin]);
  expect(answers.map(({ cache }) => cache)).toEqual([expect.stringMatching(/^fwd/), 'hit; ttl=60', 'hit; ttl=60']);
  for (const fields of logged) {
    expect(fields).toMatchObject({ etag: '"1"', 'x-own': 'stored', 'content-length': expect.anything() as unknown });
    expect(fields['link']).toEqual(LINES);
  }
  for (const { rawHeaders } of answers) {
    expect(rawHeaders.filter((_one, index) => rawHeaders[index - 1] === 'Link')).toEqual(LINES);
  }
});

function expectAdded({ answers }: Seen): void {
  for (const { rawHeaders, cache } of answers.slice(1)) {
    expect(cache).toBe('hit; ttl=60');
    const linesOf = (name: string): string[] => rawHeaders.filter((_one, index) => rawHeaders[index - 1] === name);
    expect(linesOf('Link')).toEqual([...LINES, '</own>; rel=preload']);
    expect(linesOf('X-Own')).toEqual(['stored', 'added']);
  }
}

test('a field that is added when the head is written is not added to the stored response', async () => {
  expectAdded(await seenOf([hooked, cacheResponse(), origin]));
});

test('nor one that is added by a monitor which replaced the method of all responses', async () => {
  const { writeHead } = ServerResponse.prototype as unknown as { writeHead: (...args: unknown[]) => ServerResponse };
  const patched = ServerResponse.prototype as unknown as { writeHead: unknown };
  patched.writeHead = function (this: ServerResponse, ...args: unknown[]): ServerResponse {
    if (this.getHeader('etag') !== undefined && !this.headersSent) {
      this.appendHeader('Link', '</own>; rel=preload');
      this.appendHeader('X-Own', 'added');
    }
    return Reflect.apply(writeHead, this, args);
  };
  try {
    expectAdded(await seenOf([cacheResponse(), origin]));
  } finally {
    patched.writeHead = writeHead;
  }
});

test('a 304 has the lines of the stored response without those of its content', async () => {
  const { answers } = await seenOf([before, cacheResponse(), origin], 2, { 'If-None-Match': '"1"' });
  expect(answers[1]).toMatchObject({ status: 304, headers: { 'x-own': 'stored', 'x-frame-options': 'DENY' } });
  expect(answers[1]!.headers['content-length']).toBeUndefined();
  expect(answers[1]!.rawHeaders.filter((one) => one === 'Link')).toHaveLength(2);
});
