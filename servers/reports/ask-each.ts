/**
 * Requests figures from each instance of a service. A request to any one instance would make the report depend on which
 * one answers.
 */
import type { AxiosInstance } from 'axios';
import type { Target } from '../../src/index.js';
import { askInstance } from '../support/ask-instance.js';
import type { ServiceName } from '../support/fleet.js';
import { answerOf } from '../support/peer-answer.js';
import { observability, type Observability } from './sources.js';

export interface AskEachParts {
  readonly targetsOf: (service: ServiceName) => readonly Target[];
  readonly client: (service: ServiceName) => AxiosInstance;
  readonly controlToken: string | undefined;
}

/** The answers of the instances of a service, and the number of instances that did not answer. */
export interface Answers {
  readonly answers: readonly Observability[];
  readonly silent: number;
}

const PATH = '/api/v1/system/observability';

/** @returns a function that sends the requests; it throws a ResilienceError if no instance answers */
export function askEachInstance({ targetsOf, client, controlToken }: AskEachParts) {
  return async (service: ServiceName): Promise<Answers> => {
    const targets = targetsOf(service);
    const asked = targets.length > 1 ? targets : [];
    const found = await Promise.allSettled(
      asked.map(async (target) => observability.parse(await askInstance(target, PATH, { controlToken }))),
    );
    const answers = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (answers.length > 0) return { answers, silent: asked.length - answers.length };
    // There is one instance, or none answered. The client retries, and its error says what is wrong.
    return { answers: [await answerOf(service, observability, client(service).get(PATH))], silent: 0 };
  };
}
