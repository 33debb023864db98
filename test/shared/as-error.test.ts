import { runInNewContext } from 'node:vm';
import { asError } from '../../src/shared/errors.js';

test('an Error stays the same, anything else becomes the cause of one', () => {
  const error = new TypeError('wrong');
  expect(asError(error)).toBe(error);
  expect(asError('text')).toMatchObject({ message: 'text', cause: 'text' });
  expect(asError(undefined)).toBeInstanceOf(Error);
});

test('an error in the old style, even of another realm, keeps its code', () => {
  const old = runInNewContext(
    "Object.assign(Object.create(Error.prototype), { message: 'full', code: 'SQLITE_FULL' })",
  );
  expect(asError(old)).toMatchObject({ message: 'full', code: 'SQLITE_FULL', cause: old });
});
