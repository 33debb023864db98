/** A value per request, whether or not Express has changed the request. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { RequestNotes } from '../../src/shared/request-notes.js';

const newRequest = (): IncomingMessage => new IncomingMessage(new Socket());
/** As Express does. */
const change = (req: IncomingMessage): object =>
  Object.setPrototypeOf(req, Object.create(IncomingMessage.prototype) as object) as object;

test.each([
  ['unchanged', () => undefined],
  ['changed', change],
])('a request that is %s has its own value, which can be replaced', (_name, prepare) => {
  const notes = new RequestNotes<string>('note');
  const [req, other] = [newRequest(), newRequest()];
  prepare(req);
  prepare(other);
  expect(notes.get(req)).toBeUndefined();
  notes.set(req, 'a');
  notes.set(other, 'b');
  notes.set(req, 'c');
  expect([notes.get(req), notes.get(other)]).toEqual(['c', 'b']);
});

test('the value of a request is found after Express changes it, until a newer one is kept', () => {
  const notes = new RequestNotes<string>('note');
  const req = newRequest();
  notes.set(req, 'before');
  change(req);
  expect(notes.get(req)).toBe('before');
  notes.set(req, 'after');
  expect(notes.get(req)).toBe('after');
});

test('values of two owners do not meet', () => {
  const [notes, others] = [new RequestNotes<string>('note'), new RequestNotes<string>('note')];
  const req = newRequest();
  notes.set(req, 'a');
  expect(others.get(req)).toBeUndefined();
});
