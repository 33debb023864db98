/** Metrics of the workers of Node's cluster, which share a port: asked for over the channel to each. */
import type { Worker } from 'node:cluster';
import { startTimer, monotonicClock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { propertyOf } from '../shared/user-value.js';
import type { ExposedMetric } from './exposition.js';
import type { ProcessMetrics } from './metric-sums.js';

const ASK = '@tooloo/resilience:metrics?';
const ANSWER = '@tooloo/resilience:metrics';
const DEFAULT_TIMEOUT = 1000;

type Families = () => Promise<ExposedMetric[]>;

/** In a worker: the metrics that it sends to the primary process. */
const told = new Set<Families>();

function onMessage(message: unknown): void {
  if (propertyOf(message, 'type') !== ASK) return;
  const id = propertyOf(message, 'id');
  void Promise.all(Array.from(told, (families) => families())).then(
    (all) => process.send?.({ type: ANSWER, id, families: all.flat() }),
    () => undefined, // the primary stops waiting
  );
}

/**
 * In a worker of Node's cluster, sends these metrics to the primary process on request. In another process it does
 * nothing.
 *
 * @returns a function that stops it
 */
export function answerPrimary(families: Families): () => void {
  if (!nodeModule('node:cluster').isWorker) return () => undefined;
  if (told.size === 0) process.on('message', onMessage);
  told.add(families);
  return () => {
    if (told.delete(families) && told.size === 0) process.removeListener('message', onMessage);
  };
}

let asked = 0;

function ask(worker: Worker, timeout: number): Promise<readonly ExposedMetric[] | undefined> {
  const id = ++asked;
  return new Promise((resolve) => {
    const done = (families: readonly ExposedMetric[] | undefined): void => {
      timer.cancel();
      worker.removeListener('message', listen);
      worker.removeListener('exit', leave);
      resolve(families);
    };
    const listen = (message: unknown): void => {
      if (propertyOf(message, 'type') !== ANSWER || propertyOf(message, 'id') !== id) return;
      done(propertyOf(message, 'families') as ExposedMetric[]);
    };
    const leave = (): void => done(undefined);
    const timer = startTimer(monotonicClock, leave, timeout);
    worker.on('message', listen).once('exit', leave);
    worker.send({ type: ASK, id }, (error) => void (error === null || leave()));
  });
}

/**
 * Collects the metrics of the workers of this process, for `createSummedMetrics({ collect: clusterMetrics() })`. A worker
 * has them from `createMetrics`.
 *
 * @param options `timeout`: milliseconds that a worker may take; default 1000
 *
 * @example
 * import { clusterMetrics, createSummedMetrics } from '@tooloo/resilience';
 *
 * const metrics = createSummedMetrics({ collect: clusterMetrics({ timeout: 500 }), serviceName: 'orders' });
 */
export function clusterMetrics({ timeout = DEFAULT_TIMEOUT }: { readonly timeout?: number } = {}) {
  return async function collectFromWorkers(): Promise<ProcessMetrics> {
    const workers = Object.values(nodeModule('node:cluster').workers ?? {}).filter(
      (worker) => worker?.isConnected() === true,
    );
    const answers = workers.map(async (worker) => [String(worker!.id), await ask(worker!, timeout)] as const);
    return new Map(await Promise.all(answers));
  };
}
