// Checks a running fleet: each of the eight services alive, ready, measured and described. `npm run test:phase6-verify`
const host = process.env.HOST ?? '127.0.0.1';
const orchestrator = process.env.ORCHESTRATOR_URL ?? `http://${host}:${process.env.ORCHESTRATOR_PORT ?? 3100}`;
const TIMEOUT_MS = 5000;

async function get(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}`);
  return response;
}

async function check({ service, host: at, port, state, reason }) {
  if (state !== 'ready') throw new Error(`${state}${reason === null ? '' : `: ${reason}`}`);
  const base = `http://${at}:${port}`;
  await Promise.all(['/livez', '/readyz', '/startupz', '/health', '/metrics'].map((path) => get(base + path)));
  const seen = await (await get(`${base}/api/v1/system/observability`)).json();
  if (seen.service !== service) throw new Error(`port ${port} is ${seen.service}, not ${service}`);
  if (typeof seen.tracer?.totalRequests !== 'number') throw new Error('its tracer has no count of requests');
  const { routes } = await (await get(`${base}/api/v1/system/routes`)).json();
  return `${base}, ${routes.length} routes`;
}

let instances;
try {
  ({ instances } = await (await get(`${orchestrator}/api/v1/system/instances`)).json());
} catch (error) {
  console.error(`No fleet at ${orchestrator} (${error.cause?.code ?? error.message}). Start it with "npm run dev".`);
  process.exit(1);
}
const services = [...new Set(instances.map(({ service }) => service))];
let good = 0;
for (const service of services) {
  const own = instances.filter((instance) => instance.service === service);
  const results = await Promise.allSettled(own.map(check));
  const wrong = results.find(({ status }) => status === 'rejected');
  if (wrong === undefined) good++;
  console.log(`${wrong === undefined ? '✓' : '✗'} ${service.padEnd(14)} ${wrong?.reason.message ?? results[0].value}`);
}
console.log(`${good}/${services.length}`);
process.exit(good === services.length && services.length === 8 ? 0 : 1);
