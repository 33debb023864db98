import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { budgetServer } from '../../servers/budget-server.js';
import type { FleetServer } from '../../servers/support/service.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';
import { openAiEndpoint, type Endpoint } from '../support/openai-endpoint.js';

let fleet: TestFleet;
let server: FleetServer;
const endpoints: Endpoint[] = [];

async function start(env: Record<string, string> = {}): Promise<void> {
  const providers = join(fleet.folder, 'providers.json');
  server = await fleet.create(budgetServer, {
    env: {
      ...(existsSync(providers) && { PROVIDERS_FILE: providers }),
      RATE_LIMIT_CAPACITY: '100000',
      BUDGET_DAILY_LIMIT: '10',
      BUDGET_MONTHLY_LIMIT: '15',
      ALPHA_KEY: 'secret-alpha',
      ...env,
    },
  });
}

async function provide(...names: string[]): Promise<Endpoint[]> {
  const made = await Promise.all(names.map((name) => openAiEndpoint(`answer of ${name}`)));
  endpoints.push(...made);
  const providers = names.map((id, i) => ({
    id,
    baseUrl: made[i]!.url,
    model: `${id}-model`,
    apiKeyVariable: id === 'alpha' ? 'ALPHA_KEY' : undefined,
    inputPrice: 1,
    outputPrice: 2,
  }));
  writeFileSync(join(fleet.folder, 'providers.json'), JSON.stringify(providers));
  return made;
}

beforeEach(() => {
  fleet = testFleet();
});

afterEach(async () => {
  await fleet.close();
  await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
});

// Supertest listens on a new port for each request. A fixed Host makes the cache see the same resource twice.
const get = (path: string) => request(server.app).get(path).set('Host', 'localhost');
const post = (path: string, body: object) => request(server.app).post(path).set('Host', 'localhost').send(body);
const burst = (body: object) => post('/api/v1/providers/burst', body);
const record = (cost: number, more: object = {}) =>
  post('/api/v1/budget/record-workflow', { workflowId: 'w', cost, ...more });

describe('the budget', () => {
  test('counts spending against the day and the month, and warns from 80 %', async () => {
    await start();
    await record(7.9).expect(201);
    expect((await get('/api/v1/budget').expect(200)).body).toMatchObject({ ok: true, warning: false });
    const { body } = await record(0.1).expect(201);
    expect(body.budget).toMatchObject({
      warning: true,
      limits: [
        { limit: 'daily', amount: 10, used: 8, remaining: 2, share: 0.8, warning: true },
        { limit: 'monthly', amount: 15, used: 8, remaining: 7, warning: false },
      ],
    });
  });

  test('refuses an amount that would exceed a limit, does not record it, and says when to retry', async () => {
    await start();
    await record(9).expect(201);
    const refused = await record(1.5).expect(429);
    expect(refused.type).toBe('application/problem+json');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.body).toMatchObject({
      ok: false,
      code: 'QUOTA_EXCEEDED',
      'violated-policies': ['daily'],
      detail: 'the daily budget of $10 has $1 left, this costs $1.5',
    });
    expect((await get('/api/v1/budget/history')).body.items).toHaveLength(1);
  });

  test('is never overspent by concurrent requests', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 60 }, () => record(0.25)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(40);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20);
    expect((await get('/api/v1/budget')).body.limits[0]).toMatchObject({ used: 10, remaining: 0 });
  });

  test('survives a restart', async () => {
    await start();
    await record(4).expect(201);
    await server.close();
    await start();
    expect((await get('/api/v1/budget')).body.limits[0].used).toBe(4);
  });

  test('reports whether an amount can be afforded', async () => {
    await start();
    await record(9).expect(201);
    expect((await get('/api/v1/budget/can-afford?cost=1').expect(200)).body).toMatchObject({ affordable: true });
    expect((await get('/api/v1/budget/can-afford?cost=1.01').expect(200)).body).toMatchObject({
      affordable: false,
      reason: 'the daily budget of $10 has $1 left, this costs $1.01',
    });
  });

  test('has limits of its own for a cohort', async () => {
    await start();
    await post('/api/v1/budget/policy/students', { dailyLimit: 1, monthlyLimit: null }).expect(200);
    await record(1, { cohortId: 'students' }).expect(201);
    const refused = await record(0.01, { cohortId: 'students' }).expect(429);
    expect(refused.body['violated-policies']).toEqual(['cohort-daily']);
    await record(1, { cohortId: 'teachers' }).expect(201);
    expect((await get('/api/v1/budget/policy/students')).body.policy).toEqual({
      cohort: 'students',
      dailyLimit: 1,
      monthlyLimit: null,
    });
  });

  test('ranks workflows by their results', async () => {
    await start();
    await record(2, { workflowId: 'poor', value: 1 }).expect(201);
    await record(1, { workflowId: 'rich', value: 3 }).expect(201);
    await record(1, { workflowId: 'unknown' }).expect(201);
    expect((await get('/api/v1/budget/rank-by-roi')).body.workflows).toEqual([
      { workflow: 'rich', runs: 1, cost: 1, value: 3, roi: 2 },
      { workflow: 'poor', runs: 1, cost: 2, value: 1, roi: -0.5 },
    ]);
    expect((await get('/api/v1/budget/metrics/default')).body).toMatchObject({ runs: 3, cost: 4, value: 4, roi: 0 });
  });

  test('pages its history', async () => {
    await start();
    for (let i = 1; i <= 5; i++) await record(i / 10).expect(201);
    const first = (await get('/api/v1/budget/history?limit=2')).body;
    expect(first.items.map(({ cost }: { cost: number }) => cost)).toEqual([0.5, 0.4]);
    const second = (await get(`/api/v1/budget/history?limit=2&before=${first.next}`)).body;
    expect(second.items.map(({ cost }: { cost: number }) => cost)).toEqual([0.3, 0.2]);
  });

  test.each([
    [{ workflowId: 'w', cost: -1 }, 'body.cost'],
    [{ workflowId: 'w', cost: '1' }, 'body.cost'],
    [{ workflowId: '', cost: 1 }, 'body.workflowId'],
    [{ workflowId: 'w', cost: 1, extra: true }, 'body'],
  ])('names the wrong field of %j', async (body, field) => {
    await start();
    const refused = await post('/api/v1/budget/record-workflow', body).expect(400);
    expect(refused.body).toMatchObject({ code: 'VALIDATION_FAILED', errors: [expect.objectContaining({ field })] });
  });
});

describe('a burst', () => {
  test('without any provider says what is missing', async () => {
    await start();
    const refused = await burst({ prompt: 'hi' }).expect(503);
    expect(refused.body).toMatchObject({ ok: false, code: 'NOT_CONFIGURED' });
    expect(refused.body.detail).toContain('PROVIDERS_FILE');
  });

  test('returns the first good answer, its cost and the providers it called; key and trace are passed on', async () => {
    const [alpha] = await provide('alpha');
    await start();
    const { body } = await burst({ prompt: 'hi', maxTokens: 100 }).expect(200);
    expect(body).toMatchObject({
      ok: true,
      cached: false,
      answer: { provider: 'alpha', text: 'answer of alpha', cost: 0.00005, asked: ['alpha'] },
    });
    const [asked] = alpha!.asked;
    expect(asked!.headers.authorization).toBe('Bearer secret-alpha');
    expect(asked!.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9a-f]$/);
    expect(asked!.body).toMatchObject({ model: 'alpha-model', max_tokens: 100 });
    expect((await get('/api/v1/budget')).body.limits[0].used).toBe(0.00005);
  });

  test('does not wait for a provider that hangs once another one has answered, and cancels its call', async () => {
    const [alpha, beta] = await provide('alpha', 'beta');
    alpha!.behaviour = 'hang';
    await start();
    const { body } = await burst({ prompt: 'hi' }).expect(200);
    expect(body.answer).toMatchObject({ provider: 'beta', asked: ['alpha', 'beta'] });
    expect(beta!.asked).toHaveLength(1);
    // The cancelled call is charged for its input, which the provider has read.
    const { providers } = (await get('/api/v1/providers/costs')).body;
    expect(providers.find((one: { provider: string }) => one.provider === 'alpha').cost).toBeGreaterThan(0);
  });

  test('is answered from the cache the second time, and by one call for concurrent requests', async () => {
    const [alpha] = await provide('alpha');
    await start();
    const answers = await Promise.all(Array.from({ length: 10 }, () => burst({ prompt: 'same' }).expect(200)));
    expect(alpha!.asked).toHaveLength(1);
    expect(answers.filter(({ body }) => body.cached === false)).toHaveLength(1);
    expect((await burst({ prompt: 'same' })).body.cached).toBe(true);
    expect((await burst({ prompt: 'other' })).body.cached).toBe(false);
  });

  test('fails with the error of each provider, and the reserved amount is released', async () => {
    const [alpha, beta] = await provide('alpha', 'beta');
    alpha!.behaviour = { status: 500 };
    beta!.behaviour = { raw: '{"choices":[]}' };
    await start();
    const refused = await burst({ prompt: 'hi' }).expect(502);
    expect(refused.body.detail).toContain('alpha: status 500');
    expect(refused.body.detail).toContain('beta: its answer is not a chat completion');
    expect(refused.body.detail).not.toContain('it says no');
    expect((await get('/api/v1/budget')).body.limits[0].used).toBe(0);
  });

  test('skips a provider whose circuit is open, and reports CIRCUIT_OPEN when no provider is left', async () => {
    const [alpha] = await provide('alpha');
    alpha!.behaviour = { status: 500 };
    await start();
    for (let i = 0; i < 3; i++) await burst({ prompt: `try ${i}` }).expect(502);
    const refused = await burst({ prompt: 'again' }).expect(503);
    expect(refused.body.code).toBe('CIRCUIT_OPEN');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(alpha!.asked).toHaveLength(3);
    expect((await get('/api/v1/providers/resilience-status')).body.providers).toEqual([
      expect.objectContaining({ id: 'alpha', circuit: 'open' }),
    ]);
  });

  test('calls no provider if the budget does not cover the worst case', async () => {
    const [alpha] = await provide('alpha');
    await start({ BUDGET_DAILY_LIMIT: '0.0001' });
    await burst({ prompt: 'hi', maxTokens: 4000 }).expect(429);
    expect(alpha!.asked).toHaveLength(0);
  });

  test('never spends more than the budget under concurrent requests', async () => {
    const [alpha] = await provide('alpha');
    // The worst case of one burst at $1 and $2 per million tokens: 32 + 1 to 2 bytes and twice 32 for the wrapping of
    // input, and 20 of output.
    await start({ BUDGET_DAILY_LIMIT: '0.0003' });
    await Promise.all(Array.from({ length: 20 }, (_, i) => burst({ prompt: `p${i}`, maxTokens: 20 })));
    const { used } = (await get('/api/v1/budget')).body.limits[0];
    expect(used).toBeLessThanOrEqual(0.0003);
    expect(alpha!.asked.length).toBeGreaterThan(0);
    expect(alpha!.asked.length).toBeLessThan(20);
  });
});

test('a provider never has more calls in flight than its limit', async () => {
  const [alpha] = await provide('alpha');
  alpha!.behaviour = 'hang';
  await start({ PROVIDER_MAX_IN_FLIGHT: '2' });
  await post('/api/v1/providers/policy', { timeoutMs: 500 }).expect(200);
  const answers = await Promise.all([1, 2, 3].map((i) => burst({ prompt: `p${i}` })));
  expect(alpha!.asked).toHaveLength(2);
  expect(answers.map(({ status }) => status).sort()).toEqual([502, 502, 503]);
});

describe('providers', () => {
  test('are listed without anything secret', async () => {
    await provide('alpha', 'beta');
    await start();
    const { text, body } = await get('/api/v1/providers/status').expect(200);
    expect(body.providers).toEqual([
      expect.objectContaining({ id: 'alpha', enabled: true, configured: true, available: true, circuit: 'closed' }),
      expect.objectContaining({ id: 'beta' }),
    ]);
    expect(text).not.toContain('secret');
  });

  test('whose key is missing are not called', async () => {
    const [alpha] = await provide('alpha');
    await start({ ALPHA_KEY: '' });
    expect((await get('/api/v1/providers/status')).body.providers[0]).toMatchObject({
      configured: false,
      available: false,
    });
    await burst({ prompt: 'hi' }).expect(503);
    expect(alpha!.asked).toHaveLength(0);
  });

  test('are recommended by their measurements', async () => {
    const [alpha] = await provide('alpha', 'beta');
    await start();
    for (let i = 0; i < 3; i++) await burst({ prompt: `q${i}`, providers: ['beta'] }).expect(200);
    alpha!.behaviour = { status: 500 };
    await burst({ prompt: 'x', providers: ['alpha'] }).expect(502);
    const { body } = await get('/api/v1/providers/recommend');
    expect(body.recommended).toBe('beta');
    expect(body.ranking[0]).toMatchObject({ provider: 'beta', calls: 3, successRate: 1 });
  });

  test('a policy change is checked, stored, and visible in the lists at once', async () => {
    await provide('alpha');
    await start();
    await get('/api/v1/providers/status').expect(200);
    expect((await get('/api/v1/providers/status')).headers['cache-status']).toContain('hit');
    await post('/api/v1/providers/policy', { concurrency: 99 }).expect(400);
    await post('/api/v1/providers/policy', { disabled: ['alpha'] }).expect(200);
    const fresh = await get('/api/v1/providers/status');
    expect(fresh.headers['cache-status']).not.toContain('; hit');
    expect(fresh.body.providers[0]).toMatchObject({ enabled: false, available: false });
    await server.close();
    await start();
    expect((await get('/api/v1/providers/policy')).body.policy.disabled).toEqual(['alpha']);
  });

  test.each([
    ['not json', 'is not JSON'],
    ['[{"id":"UPPER"}]', 'providers.json: 0.id'],
    ['[{"id":"a","baseUrl":"ftp://x","model":"m","inputPrice":1,"outputPrice":1}]', '0.baseUrl'],
  ])('a file with %s is refused at start', async (text, message) => {
    writeFileSync(join(fleet.folder, 'providers.json'), text);
    await expect(start()).rejects.toThrow(message);
    rmSync(join(fleet.folder, 'providers.json'));
    await start();
  });
});
