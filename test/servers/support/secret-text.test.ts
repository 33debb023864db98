import fc from '../../support/fast-check.js';
import { CENSOR, secretRemover } from '../../../servers/support/secret-text.js';

const URL_SAFE = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';
const secret = fc.string({ unit: fc.constantFrom(...URL_SAFE), minLength: 16, maxLength: 40 });

test('a configured secret appears nowhere in a text, wherever it is and however often', () => {
  const names = fc.constantFrom('CONTROL_TOKEN', 'DASHBOARD_TOKEN', 'REDIS_URL', 'DATABASE_URL', 'OPENAI_KEY');
  fc.assert(
    fc.property(names, secret, fc.array(fc.string(), { minLength: 2, maxLength: 4 }), (name, value, parts) => {
      const isUrl = name.endsWith('_URL');
      const clean = secretRemover({ [name]: isUrl ? `redis://user:${value}@db.example.com/0` : value });
      expect(clean(parts.join(value))).not.toContain(value);
      expect(clean(JSON.stringify({ msg: parts.join(value) }))).not.toContain(value);
    }),
  );
});

test('a secret with characters that JSON or a URL encodes is found in each form', () => {
  const clean = secretRemover({
    CONTROL_TOKEN: 'a "quoted" token of the test',
    DATABASE_URL: 'postgres://app:p%40ss%2Fword-1@db/tooloo',
  });
  const all = ['a "quoted" token of the test', 'p%40ss%2Fword-1', 'p@ss/word-1'].join(' | ');
  expect(clean(all)).toBe([CENSOR, CENSOR, CENSOR].join(' | '));
  expect(clean(JSON.stringify({ err: all }))).not.toMatch(/quoted|word-1/);
});

test.each([
  ['connect redis://user:hunter2@cache:6379 failed', `connect redis://user:${CENSOR}@cache:6379 failed`],
  ['Authorization: Bearer abc.def-ghi_jkl', `Authorization: Bearer ${CENSOR}`],
  ['GET /?token=abc&x=1', `GET /?token=${CENSOR}&x=1`],
  ['pool opened with password=hunter2, ssl=true', `pool opened with password=${CENSOR}, ssl=true`],
  ['{"a":{"b":{"password":"hunter2"}},"c":1}', `{"a":{"b":{"password":"${CENSOR}"}},"c":1}`],
])('the secret in %j is removed although no setting has it', (text, expected) => {
  expect(secretRemover({})(text)).toBe(expected);
});

test('text without secrets stays as it is, also where a setting has an ordinary short value', () => {
  const clean = secretRemover({ CONTROL_TOKEN: 'GET', HOST: '127.0.0.1', PATH: '/usr/bin:/usr/local/bin' });
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'GET /:.127{}") at') }), (text) => {
      expect(clean(text)).toBe(text);
    }),
  );
  const line = '{"level":"info","url":"http://127.0.0.1:3001","route":"/usr/bin:/usr/local/bin","msg":"ready"}';
  expect(clean(line)).toBe(line);
});
