// The main entry without any optional package, with the types of the parts that need one.
import { createMetrics, otlpExporter, rateLimit, ResilienceError, serviceClient } from '@tooloo/resilience';
import type { Metrics, ServiceClient } from '@tooloo/resilience';

const client: ServiceClient = serviceClient('stock', { baseURL: 'http://127.0.0.1:1', retry: false });
const metrics: Metrics = createMetrics();
const limited = rateLimit();
const exporter = otlpExporter();

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function main(): Promise<void> {
  const failures = await Promise.all([failureOf(client.get('/')), failureOf(metrics.render())]);
  const said = failures.map((error) => `${(error as object).constructor.name} ${(error as ResilienceError).message}`);
  const areNamed = ['axios', 'prom-client'].every(
    (name, at) => said[at]?.endsWith(`run 'npm install ${name}'`) === true,
  );
  const areOwn = failures.every((error) => ResilienceError.is(error) && error.constructor.name === 'ResilienceError');
  client.close();
  metrics.close();
  await limited.close();
  await exporter.close();
  console.log(areNamed && areOwn ? 'works' : said.join('; '));
}

void main();
