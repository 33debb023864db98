import { Exchange, type Party } from '../../../servers/workers/exchange.js';
import type { ToWorker } from '../../../servers/workers/messages.js';

class Worker implements Party {
  readonly heard: ToWorker[] = [];

  constructor(readonly id: string) {}

  send(message: ToWorker): void {
    this.heard.push(message);
  }

  /** The number under which it was asked last. */
  get asked(): number {
    const last = this.heard.at(-1);
    return last?.kind === 'told' ? last.id! : NaN;
  }
}

const [a, b, c] = ['a', 'b', 'c'];
let exchange: Exchange;
let asker: Worker;
let others: Worker[];

beforeEach(() => {
  exchange = new Exchange();
  asker = new Worker(a);
  others = [new Worker(b), new Worker(c)];
});

const ask = (id: number): void => exchange.tell({ kind: 'tell', topic: 't', data: 1, id }, asker, others);

test('a message without an answer goes to all others', () => {
  exchange.tell({ kind: 'tell', topic: 't', data: { x: 1 } }, asker, others);
  for (const { heard } of others) expect(heard).toEqual([{ kind: 'told', from: 'a', topic: 't', data: { x: 1 } }]);
  expect(asker.heard).toEqual([]);
});

test('a question is done once all others have answered, and fails if one failed', () => {
  ask(7);
  exchange.answered({ kind: 'answer', id: others[0]!.asked, ok: false }, others[0]!);
  exchange.answered({ kind: 'answer', id: others[0]!.asked, ok: true }, others[0]!); // said twice, counts once
  expect(asker.heard).toEqual([]);
  exchange.answered({ kind: 'answer', id: others[1]!.asked, ok: true }, others[1]!);
  expect(asker.heard).toEqual([{ kind: 'done', id: 7, ok: false }]);
});

test('a worker that ended is not waited for', () => {
  ask(1);
  ask(2);
  exchange.gone('c');
  expect(asker.heard).toEqual([]);
  const asked = others[0]!.heard.map((message) => (message.kind === 'told' ? message.id! : NaN));
  for (const id of asked) exchange.answered({ kind: 'answer', id, ok: true }, others[0]!);
  expect(asker.heard).toEqual([
    { kind: 'done', id: 1, ok: true },
    { kind: 'done', id: 2, ok: true },
  ]);
});

test('a worker alone is done at once', () => {
  exchange.tell({ kind: 'tell', topic: 't', data: 1, id: 3 }, asker, []);
  expect(asker.heard).toEqual([{ kind: 'done', id: 3, ok: true }]);
});
