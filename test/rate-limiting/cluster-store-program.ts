/** A cluster whose workers ask for one limit. Sends its parent what they got. The first argument is the mode. */
import cluster from 'node:cluster';
import { charge, ClusterStore, resolveQuota } from '../../src/rate-limiting/index.js';

const WORKERS = 4;
const EACH = 1_000;
const quota = resolveQuota('shared', { rateLimit: 1_000, refillRate: 0 });

interface Report {
  admitted: number;
  failed: number;
  instances: number;
}

async function work(): Promise<Report> {
  const store = new ClusterStore({ timeout: 30_000 });
  const outcomes = await Promise.allSettled(Array.from({ length: EACH }, async () => store.take([charge('a', quota)])));
  const { instances } = store;
  store.close();
  return {
    admitted: outcomes.filter((one) => one.status === 'fulfilled' && one.value).length,
    failed: outcomes.filter(({ status }) => status === 'rejected').length,
    instances,
  };
}

async function workAlone(): Promise<object> {
  const store = new ClusterStore({ timeout: 50 });
  try {
    return { admitted: await store.take([charge('a', quota)]) };
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    return { code, message };
  } finally {
    store.close();
  }
}

/** The reports of so many workers, which run until they are killed. */
function reports<T>(count: number): Promise<T[]> {
  const found: T[] = [];
  return new Promise((resolve) => {
    for (let i = 0; i < count; i++) {
      cluster.fork().on('message', (message: { report?: T }) => {
        if (message.report === undefined) return;
        found.push(message.report);
        if (found.length === count) resolve(found);
      });
    }
  });
}

async function lead(mode: string): Promise<unknown> {
  if (mode === 'alone') return (await reports<object>(1))[0];
  const store = new ClusterStore();
  const found = await reports<Report>(WORKERS);
  store.close();
  const sum = (of: (report: Report) => number) => found.reduce((total, report) => total + of(report), 0);
  const instances = Math.max(...found.map((report) => report.instances));
  return { admitted: sum((one) => one.admitted), asked: WORKERS * EACH, failed: sum((one) => one.failed), instances };
}

const mode = process.argv[2]!;
if (cluster.isPrimary) {
  void lead(mode).then((found) => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill('SIGKILL');
    process.send!(found, () => process.exit());
  });
} else {
  void (mode === 'alone' ? workAlone() : work()).then((report) => process.send!({ report }));
}
