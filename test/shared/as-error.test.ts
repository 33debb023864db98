import { asError } from '../../src/shared/errors.js';

test('an Error stays the same, anything else becomes the cause of one', () => {
  const error = new TypeError('wrong');
  expect(asError(error)).toBe(error);
  expect(asError('text')).toMatchObject({ message: 'text', cause: 'text' });
  expect(asError(undefined)).toBeInstanceOf(Error);
});
