/** Streamed bursts: real providers that stream, the budget server, and the gateway in front of it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { budgetServer } from '../../servers/budget-server.js';
import { webServer } from '../../servers/web-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { EventReader } from '../support/event-reader.js';
import { eventually, until } from '../support/eventually.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';
import { streamingEndpoint, type StreamingEndpoint } from '../support/streaming-endpoint.js';

const PATH = '/api/v1/chat/burst-stream';
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9';

let fleet: TestFleet;
let clock: FakeClock;
let server: FleetServer;
let url: string;
let endpoints: StreamingEndpoint[] = [];
let leave: AbortController;

beforeEach(() => {
  fleet = testFleet();
  clock = new FakeClock(Date.UTC(2026, 4, 1, 9));
  leave = new AbortController();
});

afterEach(async () => {
  leave.abort();
  await fleet.close();
  await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
});

/** Providers at $1 for a million tokens of input, and $2 of output. */
async function provide(...names: string[]): Promise<StreamingEndpoint[]> {
  endpoints = await Promise.all(names.map(() => streamingEndpoint()));
  const providers = names.map((id, i) => ({
    id,
    baseUrl: endpoints[i]!.url,
    model: `${id}-model`,
    inputPrice: 1,
    outputPrice: 2,
  }));
  writeFileSync(join(fleet.folder, 'providers.json'), JSON.stringify(providers));
  return endpoints;
}

async function start(env: Record<string, string> = {}, clients: Record<string, string> = {}): Promise<void> {
  const file = join(fleet.folder, 'providers.json');
  server = await fleet.create(budgetServer, {
    env: { ...(existsSync(file) && { PROVIDERS_FILE: file }), BUDGET_DAILY_LIMIT: '10', ...env },
    clients,
    clock,
  });
  url = await server.listen(0);
}

/** Closes the connection after the response, so that the server that closes after a test has no idle one to wait for. */
const AT_ONCE = { connection: 'close' };

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(url + path, { headers: AT_ONCE })).json()) as T;
}

async function post(path: string, body: object): Promise<void> {
  const answer = await fetch(url + path, {
    method: 'POST',
    headers: { ...AT_ONCE, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
}

interface AskOptions {
  readonly base?: string;
  readonly lastEventId?: string;
  readonly signal?: AbortSignal;
}

function ask(body: object, { base = url, lastEventId, signal = leave.signal }: AskOptions = {}): Promise<Response> {
  return fetch(base + PATH, {
    method: 'POST',
    headers: {
      ...AT_ONCE,
      'Content-Type': 'application/json',
      Accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
    },
    body: JSON.stringify(body),
    signal,
  });
}

async function open(body: object, options?: AskOptions): Promise<EventReader> {
  const answer = await ask(body, options);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  return new EventReader(answer.body!);
}

const used = async (): Promise<number> => (await get<{ limits: [{ used: number }] }>('/api/v1/budget')).limits[0].used;
const costs = async (): Promise<number> => (await get<{ total: number }>('/api/v1/providers/costs')).total;
const booked = async (): Promise<{ workflow: string; cost: number }[]> =>
  (await get<{ items: { workflow: string; cost: number }[] }>('/api/v1/budget/history')).items;
const inFlight = async (): Promise<number> => {
  const { providers } = await get<{ providers: { inFlight: number }[] }>('/api/v1/providers/resilience-status');
  return providers.reduce((sum, one) => sum + one.inFlight, 0);
};

test('through the gateway: the first provider that sends text wins, and the call of the other one ends', async () => {
  const [alpha, beta] = await provide('alpha', 'beta');
  await start();
  const gateway = await fleet.listen(webServer, { clients: { budget: url, orchestrator: NOWHERE } });
  const reader = await open({ prompt: 'hi', maxTokens: 100 }, { base: gateway });
  expect(await reader.next()).toEqual({ event: 'start', data: { asked: ['alpha', 'beta'], cached: false } });
  const [lost, won] = [await alpha!.call(), await beta!.call()];
  expect(won.body).toMatchObject({ stream: true, stream_options: { include_usage: true }, max_tokens: 100 });
  won.say('Hel');
  expect(await reader.next()).toEqual({ event: 'winner', data: { provider: 'beta', model: 'beta-model' } });
  expect(await reader.next()).toEqual({ event: 'delta', data: { text: 'Hel' } });
  await until(() => lost.isClosed, 'the call of the other provider went on');
  won.say('lo');
  won.finish({ prompt_tokens: 10, completion_tokens: 20 });
  expect(await reader.rest()).toEqual([
    { event: 'delta', data: { text: 'lo' } },
    {
      event: 'done',
      data: expect.objectContaining({ provider: 'beta', cost: 0.00005, inputTokens: 10, outputTokens: 20 }) as object,
    },
  ]);
  // The ledger has the cost of the calls: 10 + 2 · 20 of the winner, and the 34 bytes of input of the cancelled one.
  expect(await used()).toBe(0.000084);
  expect(await costs()).toBe(0.000084);
  expect(await booked()).toEqual([expect.objectContaining({ workflow: 'burst-stream', cost: 0.000084 })]);
});

test('the cost is recorded while the answer arrives, and replaced by the billed amount', async () => {
  const [alpha] = await provide('alpha');
  await start();
  const reader = await open({ prompt: 'hi', maxTokens: 100 });
  const call = await alpha!.call();
  call.say('0123456789');
  // 34 of input, and each byte of text counts as a token of output until the provider reports its tokens.
  const [first] = await eventually(booked, (rows) => rows.length > 0);
  expect(first!.cost).toBe(0.000054);
  // The rest stays reserved: the whole reservation is 34, 32 for a system message, and 2 · 100.
  expect(await used()).toBe(0.000266);
  clock.tick(1000);
  call.say('0123456789');
  await eventually(booked, (rows) => rows.length === 1 && rows[0]!.cost === 0.000074);
  expect(await used()).toBe(0.000266);
  call.finish({ prompt_tokens: 4, completion_tokens: 5 });
  await reader.rest();
  expect((await booked()).map(({ cost }) => cost)).toEqual([0.000014]);
  expect(await used()).toBe(0.000014);
});

test('the events are those of docs/services.md', async () => {
  const page = readFileSync(resolve(__dirname, '../../docs/services.md'), 'utf8');
  const shown = /^retry: \d+\n[\s\S]*?(?=^```)/m.exec(page)![0];
  const documented = await new EventReader(new Response(shown + '\n').body!).rest();
  const [, beta] = await provide('alpha', 'beta');
  await start();
  const reader = await open({ prompt: 'Why is the sky blue?', maxTokens: 200 });
  const call = await beta!.call();
  call.say('Because air scatters');
  call.finish({ prompt_tokens: 10, completion_tokens: 20 });
  const latencyMs = expect.any(Number) as number;
  expect(await reader.rest()).toEqual(
    documented.map(({ event, data }) => ({ event, data: { ...data, ...(event === 'done' && { latencyMs }) } })),
  );
});

describe('a client that leaves', () => {
  test('and cannot resume ends the call at once; the text received so far is charged', async () => {
    const [alpha] = await provide('alpha');
    await start();
    await post('/api/v1/providers/policy', { resumeMs: 0 });
    const reader = await open({ prompt: 'hi', maxTokens: 100 });
    const call = await alpha!.call();
    call.say('0123456789');
    await reader.next();
    await reader.next();
    leave.abort();
    await until(() => call.isClosed, 'the call went on');
    await eventually(used, (amount) => amount === 0.000054);
    expect(await costs()).toBe(0.000054);
    expect(await inFlight()).toBe(0);
  });

  test('gets the missed events when it resumes, from the same call', async () => {
    const [alpha] = await provide('alpha');
    await start();
    const first = await open({ prompt: 'hi' });
    const call = await alpha!.call();
    call.say('one ');
    for (let i = 0; i < 3; i++) await first.next();
    leave.abort();
    call.say('two ');
    const second = await open(
      { prompt: 'hi' },
      { lastEventId: first.lastEventId, signal: new AbortController().signal },
    );
    await clock.advance(10_000); // the client has resumed, so the time limit no longer applies
    call.say('three');
    call.finish({ prompt_tokens: 1, completion_tokens: 1 });
    const events = await second.rest();
    expect(events.flatMap(({ data }) => data.text ?? [])).toEqual(['two ', 'three']);
    expect(events.at(-1)!.event).toBe('done');
    expect(alpha!.calls).toHaveLength(1);
    // A finished stream can be resumed too.
    const again = await open(
      { prompt: 'hi' },
      { lastEventId: first.lastEventId, signal: new AbortController().signal },
    );
    expect(await again.rest()).toEqual(events);
  });

  test('and does not resume in time ends the call', async () => {
    const [alpha] = await provide('alpha');
    await start();
    await post('/api/v1/providers/policy', { resumeMs: 5000 });
    const reader = await open({ prompt: 'hi' });
    const call = await alpha!.call();
    call.say('one');
    for (let i = 0; i < 3; i++) await reader.next();
    const timers = clock.pendingTimers;
    leave.abort();
    await until(() => clock.pendingTimers > timers, 'the server did not notice');
    await clock.advance(4999);
    expect(call.isClosed).toBe(false);
    await clock.advance(1);
    await until(() => call.isClosed, 'the call went on');
    await until(async () => (await inFlight()) === 0);
    const late = await open(
      { prompt: 'hi' },
      { lastEventId: reader.lastEventId, signal: new AbortController().signal },
    );
    expect(await late.rest()).toEqual([
      { event: 'failed', data: { code: 'CLIENT_CLOSED_REQUEST', status: 499, detail: 'the client left' } },
    ]);
  });

  test('can resume at another instance, which finds the instance with the stream', async () => {
    const [alpha] = await provide('alpha');
    await start();
    const owner = url;
    await start({}, { budget: owner });
    const first = await open({ prompt: 'hi' }, { base: owner });
    const call = await alpha!.call();
    call.say('one ');
    for (let i = 0; i < 3; i++) await first.next();
    leave.abort();
    const second = await open(
      { prompt: 'hi' },
      { lastEventId: first.lastEventId, signal: new AbortController().signal },
    );
    call.say('two');
    call.finish();
    expect((await second.rest()).map(({ event }) => event)).toEqual(['delta', 'done']);
  });
});

test('an unknown stream is not found, and no provider is called again', async () => {
  const [alpha] = await provide('alpha');
  await start();
  for (const lastEventId of ['0b7e6f3e-0d5c-4b4a-9a53-0a7b6f1f2c11.3', 'nonsense', '1']) {
    const answer = await ask({ prompt: 'hi' }, { lastEventId });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: 'NOT_FOUND' });
  }
  expect(alpha!.calls).toHaveLength(0);
});

describe('an incomplete answer', () => {
  test('is cut off at the deadline of the request, and the text received is charged', async () => {
    const [alpha] = await provide('alpha');
    await start();
    const reader = await open({ prompt: 'hi', maxTokens: 100, deadlineMs: 3000 });
    const call = await alpha!.call();
    call.say('0123456789');
    for (let i = 0; i < 3; i++) await reader.next();
    await clock.advance(3000);
    expect(await reader.rest()).toEqual([
      { event: 'failed', data: { code: 'UPSTREAM_TIMEOUT', status: 504, detail: 'not complete in 3000 ms' } },
    ]);
    await until(() => call.isClosed, 'the call went on');
    expect(await used()).toBe(0.000054);
  });

  test('the deadline of the policy is the maximum', async () => {
    const [alpha] = await provide('alpha');
    await start();
    await post('/api/v1/providers/policy', { streamMs: 2000 });
    const reader = await open({ prompt: 'hi', deadlineMs: 60_000 });
    await alpha!.call();
    await clock.advance(2000);
    expect((await reader.rest()).at(-1)).toMatchObject({ event: 'failed', data: { code: 'UPSTREAM_TIMEOUT' } });
  });

  test.each([
    ['breaks off', (call: { res: { destroy(): void } }) => void call.res.destroy(), 'alpha: '],
    ['ends too early', (call: { res: { end(): void } }) => void call.res.end(), 'alpha: its answer ended too early'],
    [
      'turns into nonsense',
      (call: { res: { write(text: string): void } }) => void call.res.write('data: {"choices":3}\n\n'),
      'alpha: its answer is not a chat completion',
    ],
  ])('a winner that %s fails the stream, and its text is charged', async (_, act, detail) => {
    const [alpha] = await provide('alpha');
    await start();
    const reader = await open({ prompt: 'hi', maxTokens: 100 });
    const call = await alpha!.call();
    call.say('0123456789');
    for (let i = 0; i < 3; i++) await reader.next();
    act(call);
    const [failed] = await reader.rest();
    expect(failed).toMatchObject({ event: 'failed', data: { code: 'UPSTREAM_INVALID', status: 502 } });
    expect(failed!.data.detail).toContain(detail);
    expect(await used()).toBe(0.000054);
    expect(await inFlight()).toBe(0);
  });

  test('a provider that fails before any text leaves the race to the other one', async () => {
    const [alpha, beta] = await provide('alpha', 'beta');
    await start();
    const reader = await open({ prompt: 'hi' });
    (await alpha!.call()).res.writeHead(500).end('{"error":"the prompt was: hi"}');
    const call = await beta!.call();
    call.say('fine');
    call.finish({ prompt_tokens: 1, completion_tokens: 1 });
    expect((await reader.rest()).at(-1)).toMatchObject({ event: 'done', data: { provider: 'beta' } });
  });

  test('without any text from any provider, the reserved amount is released', async () => {
    const [alpha, beta] = await provide('alpha', 'beta');
    await start();
    const reader = await open({ prompt: 'hi' });
    (await alpha!.call()).res.writeHead(500).end('{"error":"the prompt was: hi"}');
    (await beta!.call()).finish();
    const failed = (await reader.rest()).at(-1)!;
    expect(failed.data.detail).toBe('no provider gave a good answer: alpha: status 500; beta: its answer is empty');
    expect(await used()).toBe(0);
  });
});

test('a provider that cannot stream answers in one part', async () => {
  const [alpha] = await provide('alpha');
  await start();
  const reader = await open({ prompt: 'hi' });
  const { res } = await alpha!.call();
  res.writeHead(200, { 'Content-Type': 'application/json' });
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  res.end(JSON.stringify({ choices: [{ message: { content: 'whole' } }], usage }));
  const events = await reader.rest();
  expect(events.map(({ event }) => event)).toEqual(['start', 'winner', 'delta', 'done']);
  expect(events[3]!.data.cost).toBe(0.000011);
});

test('the same question is answered from the cache, free of charge', async () => {
  const [alpha] = await provide('alpha');
  await start();
  const reader = await open({ prompt: 'hi' });
  const call = await alpha!.call();
  call.say('Hel');
  call.say('lo');
  call.finish({ prompt_tokens: 3, completion_tokens: 4 });
  await reader.rest();
  const again = await eventually(
    async () => (await open({ prompt: 'hi' })).rest(),
    (events) => events[0]?.data.cached === true,
  );
  expect(again.map(({ event }) => event)).toEqual(['start', 'winner', 'delta', 'done']);
  expect(again[2]!.data).toEqual({ text: 'Hello' });
  expect(alpha!.calls).toHaveLength(1);
  expect(await used()).toBe(0.000011);
});

test('a budget that does not cover the worst case refuses before any call', async () => {
  const [alpha] = await provide('alpha');
  await start({ BUDGET_DAILY_LIMIT: '0.0001' });
  const answer = await ask({ prompt: 'hi', maxTokens: 4000 });
  expect(answer.status).toBe(429);
  expect(await answer.json()).toMatchObject({ code: 'QUOTA_EXCEEDED' });
  expect(alpha!.calls).toHaveLength(0);
});

test('a wrong field is named', async () => {
  await provide('alpha');
  await start();
  const answer = await ask({ prompt: '', deadlineMs: 1 });
  expect(answer.status).toBe(400);
  const { errors } = (await answer.json()) as { errors: { field: string }[] };
  expect(errors.map(({ field }) => field)).toEqual(['body.prompt', 'body.deadlineMs']);
});

test('a server that closes ends its calls, and the ledger has their cost', async () => {
  const [alpha] = await provide('alpha');
  await start({ SHUTDOWN_TIMEOUT_MS: '100', DRAIN_DELAY_MS: '0' });
  const reader = await open({ prompt: 'hi', maxTokens: 100 });
  const call = await alpha!.call();
  call.say('0123456789');
  for (let i = 0; i < 3; i++) await reader.next();
  await Promise.all([server.close(), reader.rest().catch(() => [])]);
  await until(() => call.isClosed, 'the call went on');
  await start();
  expect(await used()).toBe(0.000054);
});
