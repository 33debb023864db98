// The budget server's answers about providers, as its clients get them: from its cache, and made anew for each request.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import { machine, shuffled, spread } from '../harness.js';
import { judge, publish } from '../report.js';
import { importTypescript } from '../typescript.js';

const QUERIES = ['status', 'recommend', 'costs'];
/** A server that has been asked: the quality of each provider is judged by as many calls as count. */
const BURSTS = 200;
const ROUNDS = Number(process.env.ROUNDS ?? 15);
const REQUESTS = 200;
const UNLIMITED = '1000000000';

const { budgetServer, openAiEndpoint } = await importTypescript(
  'servers/budget-server.ts',
  'test/support/openai-endpoint.ts',
);
const folder = mkdtempSync(join(tmpdir(), 'bench-budget-'));
const endpoint = await openAiEndpoint('an answer');
const providers = ['alpha', 'beta', 'gamma'].map((id) => {
  return { id, baseUrl: endpoint.url, model: 'm', inputPrice: 0, outputPrice: 0 };
});
writeFileSync(join(folder, 'providers.json'), JSON.stringify(providers));
const server = await budgetServer.create({
  env: {
    DATA_DIR: folder,
    LOG_LEVEL: 'error',
    PROVIDERS_FILE: join(folder, 'providers.json'),
    RATE_LIMIT_CAPACITY: UNLIMITED,
    RATE_LIMIT_REFILL_PER_SECOND: UNLIMITED,
  },
});
const client = new Client(await server.listen(0));

async function ask(path, options = {}) {
  const { statusCode, headers, body } = await client.request({
    method: 'GET',
    path: `/api/v1/providers/${path}`,
    ...options,
  });
  await body.dump();
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`);
  return String(headers['cache-status'] ?? '');
}

async function post(path, body) {
  await ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

/** By name: the fields of its requests, and what the cache then says it did. */
const ways = {
  'from the cache': { headers: {}, says: '; hit' },
  'made anew': { headers: { 'cache-control': 'no-store' }, says: 'fwd=request' },
};

/** Milliseconds that one of the requests took on average. */
async function latency(query, { headers, says }) {
  await ask(query, { headers }); // what has expired since is there again
  const began = performance.now();
  let others = 0;
  for (let i = 0; i < REQUESTS; i++) if (!(await ask(query, { headers })).includes(says)) others++;
  const took = (performance.now() - began) / REQUESTS;
  if (others > 1) throw new Error(`${query}: ${others} of ${REQUESTS} answers were not '${says}'`);
  return took;
}

try {
  await post('policy', { concurrency: providers.length });
  for (let i = 0; i < BURSTS; i++) await post('burst', { prompt: `prompt ${i}` });
  const rates = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const query of QUERIES) {
      for (const name of shuffled(Object.keys(ways))) {
        (rates[`${query}, ${name}`] ??= []).push(1000 / (await latency(query, ways[name])));
      }
    }
  }
  publish({
    title: 'Provider queries of the budget server',
    settings: `${ROUNDS} interleaved rounds of ${REQUESTS} requests one after the other; ${machine()}`,
    columns: ['query', 'ms from the cache', 'ms made anew', 'faster by'],
    rows: QUERIES.map((query) => {
      const [cached, anew] = Object.keys(ways).map((name) => 1000 / spread(rates[`${query}, ${name}`]).median);
      return {
        name: query,
        cells: [query, cached.toFixed(2), anew.toFixed(2), `${Math.round(100 * (1 - cached / anew))} %`],
      };
    }),
    targets: QUERIES.map((query) =>
      judge(
        {
          name: `${query}, from the cache`,
          of: `${query}, made anew`,
          least: 2.5,
          what: `${query} 60 % faster from the cache`,
        },
        rates,
      ),
    ),
  });
} finally {
  await client.close();
  await server.close();
  await endpoint.close();
  rmSync(folder, { recursive: true });
}
process.exit();
