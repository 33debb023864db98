/**
 * Checks docs/services.md against the servers: it lists every route, and the response to every example has the shape
 * that the page shows. `UPDATE_DOCS=1` writes the current responses into the page.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import request from 'supertest';
import { capabilitiesServer } from '../../servers/capabilities-server.js';
import { coachServer } from '../../servers/coach-server.js';
import { metaServer } from '../../servers/meta-server.js';
import { reportsServer } from '../../servers/reports-server.js';
import { segmentationServer } from '../../servers/segmentation-server.js';
import { trainingServer } from '../../servers/training-server.js';
import { FLEET, type ServiceName } from '../../servers/support/fleet.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { testFleet, type TestFleet } from '../support/fleet-server.js';

const PAGE = resolve(__dirname, '../../docs/services.md');
const DESCRIBED = ['training', 'meta', 'coach', 'segmentation', 'reports', 'capabilities'] as const;
const NOW = Date.UTC(2026, 4, 1, 9);
const HOUR = 3_600_000;
/** Nothing listens there: the page shows how a report describes unavailable services. */
const NOWHERE = 'http://127.0.0.1:9';

const EXAMPLE = /```http\n(GET|POST) (\S+)\n(?:\n([\s\S]*?))?```\n\n(\d{3}):\n\n```json\n([\s\S]*?)```/g;
const HEADING = /^### `((?:GET|POST) \S+)`$/gm;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

let fleet: TestFleet;
const urls: Partial<Record<ServiceName, string>> = { web: NOWHERE, budget: NOWHERE };

beforeAll(async () => {
  fleet = testFleet();
  const clock = new FakeClock(NOW - 24 * HOUR);
  const options = { clock, clients: urls };
  urls.training = await fleet.listen(trainingServer, options);
  await practise(clock);
  urls.meta = await fleet.listen(metaServer, options);
  urls.coach = await fleet.listen(coachServer, options);
  urls.segmentation = await fleet.listen(segmentationServer, options);
  // The address of this server is known only once it listens; the page shows it as unavailable.
  urls.capabilities = NOWHERE;
  urls.capabilities = await fleet.listen(capabilitiesServer, options);
  urls.reports = NOWHERE;
  urls.reports = await fleet.listen(reportsServer, options);
});
afterAll(() => fleet.close());

/** A day of rounds, so that there is something to report. */
async function practise(clock: FakeClock): Promise<void> {
  const training = request(urls.training!);
  const started = await training.post('/api/v1/training/start').send({ learner: 'ada', topics: ['fractions'] });
  const sessionId: number = started.body.session.id;
  for (let hour = 1; hour <= 24; hour++) {
    clock.set(NOW - (24 - hour) * HOUR);
    const score = 0.9 - 0.6 * Math.exp(-0.2 * hour);
    await training.post('/api/v1/training/round').send({ sessionId, score }).expect(201);
  }
}

/** The service a path belongs to. */
function urlOf(path: string): string {
  const owner = DESCRIBED.find((name) => FLEET[name].prefixes.some((prefix) => path.startsWith(prefix)));
  return urls[owner ?? 'training']!;
}

test('every route is on the page, and nothing else', async () => {
  const offered: string[] = [];
  for (const name of DESCRIBED) {
    const { body } = await request(urls[name]!).get('/api/v1/system/routes').expect(200);
    for (const { method, path } of body.routes) offered.push(`${method} ${path}`);
  }
  const described = [...readFileSync(PAGE, 'utf8').matchAll(HEADING)].map(([, route]) => route);
  expect(described.sort()).toEqual([...new Set(offered)].sort());
});

test('every example gets the response on the page', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const answers: Json[] = [];
  let updated = page;
  for (const [block, method, target, sent, status, shown] of page.matchAll(EXAMPLE)) {
    const path = target!.replace(/<([\w.]+)>/g, (_, name: string) =>
      encodeURIComponent(valueOf(answers, name) as string | number),
    );
    const call = method === 'GET' ? request(urlOf(path)).get(path) : request(urlOf(path)).post(path);
    const answer = await (sent === undefined ? call : call.send(filled(JSON.parse(sent) as Json, answers) as object));
    answers.push(answer.body);
    const pruned = prune(answer.body as Json);
    updated = updated.replace(block, () =>
      block.replace(`${status}:\n\n\`\`\`json\n${shown}`, `${answer.status}:\n\n\`\`\`json\n${written(pruned)}\n`),
    );
    if (process.env.UPDATE_DOCS === '1') continue;
    expect({ target, status: answer.status, shape: shapeOf(pruned) }).toEqual({
      target,
      status: Number(status),
      shape: like(shapeOf(JSON.parse(shown!) as Json), shapeOf(pruned)),
    });
  }
  if (process.env.UPDATE_DOCS === '1') writeFileSync(PAGE, updated);
  expect(answers.length).toBeGreaterThan(50);
});

/** The value at a path of names, in the latest response that has it. */
function valueOf(answers: readonly Json[], path: string): Json {
  for (const answer of [...answers].reverse()) {
    const value = path
      .split('.')
      .reduce<Json | undefined>((at, name) => (at as Record<string, Json> | undefined)?.[name], answer);
    if (value !== undefined && value !== null) return value;
  }
  throw new Error(`no answer so far has ${path}`);
}

/** The body of a request, with `"<path>"` replaced by the value of an earlier response. */
function filled(body: Json, answers: readonly Json[]): Json {
  if (typeof body === 'string') {
    const path = /^<([\w.]+)>$/.exec(body)?.[1];
    return path === undefined ? body : valueOf(answers, path);
  }
  if (Array.isArray(body)) return body.map((one) => filled(one, answers));
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, filled(value, answers)]));
}

/** The page shows two members of a list, one of a list deeper down, and three of a table of metrics. */
function prune(value: Json, depth = 0): Json {
  if (Array.isArray(value)) return value.slice(0, depth < 2 ? 2 : 1).map((one) => prune(one, depth + 1));
  if (typeof value === 'number') return Number(value.toPrecision(6)) === value ? value : roundedTo(value, 4);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const isTable = entries.some(([name]) => name.includes('.'));
  return Object.fromEntries(
    entries.slice(0, isTable ? 3 : undefined).map(([name, one]) => [name, prune(one, depth + 1)]),
  );
}

function roundedTo(value: number, digits: number): number {
  return Math.abs(value) > 1e9 ? value : Number(value.toFixed(digits));
}

const LINE = 112;

/** JSON as a person writes it: on one line where it fits. */
function written(value: Json, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const inner = `${indent}  `;
  const members = isList
    ? value.map((one) => written(one, inner))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${written(one, inner)}`);
  const line = members.join(', ');
  if (members.length === 0) return open + close;
  if (line.length + indent.length <= LINE && !line.includes('\n')) return isList ? `[${line}]` : `{ ${line} }`;
  return `${open}\n${members.map((member) => inner + member).join(',\n')}\n${indent}${close}`;
}

/** Names and types, without the values. */
function shapeOf(value: Json): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shapeOf(one)]));
}

/** The documented shape, with the actual one where null on either side leaves the type unknown. */
function like(documented: unknown, actual: unknown): unknown {
  if (documented === null || actual === null) return actual;
  if (Array.isArray(documented) && Array.isArray(actual)) {
    return documented.length === 0 || actual.length === 0 ? actual : [like(documented[0], actual[0])];
  }
  if (typeof documented !== 'object' || typeof actual !== 'object' || Array.isArray(documented)) return documented;
  const known = actual as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(documented).map(([name, shape]) => [name, name in known ? like(shape, known[name]) : shape]),
  );
}
