/** In the primary process: passes messages of a worker on to the others, and reports to it when they have handled them. */
import type { ToPrimary, ToWorker } from './messages.js';

/** A worker, as the exchange sees it. */
export interface Party {
  readonly id: string;
  send(message: ToWorker): void;
}

interface Question {
  readonly asker: Party;
  readonly id: number;
  readonly waitsFor: Set<string>;
  ok: boolean;
}

export class Exchange {
  readonly #questions = new Map<number, Question>();
  #asked = 0;

  /** @param others the other workers that are ready */
  tell({ topic, data, id }: ToPrimary & { kind: 'tell' }, from: Party, others: readonly Party[]): void {
    if (id === undefined) {
      for (const one of others) one.send({ kind: 'told', from: from.id, topic, data });
      return;
    }
    const number = ++this.#asked;
    const question = { asker: from, id, waitsFor: new Set(others.map((one) => one.id)), ok: true };
    this.#questions.set(number, question);
    for (const one of others) one.send({ kind: 'told', from: from.id, topic, data, id: number });
    this.#settle(number, question);
  }

  answered({ id, ok }: ToPrimary & { kind: 'answer' }, by: Party): void {
    const question = this.#questions.get(id);
    if (question?.waitsFor.delete(by.id) !== true) return;
    question.ok &&= ok;
    this.#settle(id, question);
  }

  /** The worker has ended: no question waits for it. */
  gone(id: string): void {
    for (const [number, question] of this.#questions) {
      if (question.waitsFor.delete(id)) this.#settle(number, question);
    }
  }

  #settle(number: number, { asker, id, waitsFor, ok }: Question): void {
    if (waitsFor.size > 0) return;
    this.#questions.delete(number);
    asker.send({ kind: 'done', id, ok });
  }
}
