/**
 * Removes secrets from text that a process printed. Members of log lines are redacted by their names when they are
 * written. Messages of libraries, stack traces and other output have no names: there, the configured secrets are found by their
 * values, and others by the usual forms.
 */
import { isSecret, type Environment } from './config.js';

export const CENSOR = '[redacted]';

/** Shorter values occur in ordinary text. */
const SHORTEST = 8;

/** Members of log lines and header fields whose values are secrets. */
export const SECRET_NAMES = [
  ...['authorization', 'cookie', 'set-cookie', 'x-control-token'],
  ...['apiKey', 'password', 'token', 'secret'],
];

/** The password of a URL, the credentials of a header field, and parameters and members that are named like secrets. */
const FORMS = [
  /(?<before>:\/\/[^\s/:@"'\\]{0,200}:)[^\s/@"'\\]{1,500}(?=@)/g,
  /(?<before>\b(?:bearer|basic) )[\w.~+/=-]{8,}/gi,
  /(?<before>(?:token|password|passwd|secret|api[_-]?key)=)[^\s&"'\\,;)\]}]+/gi,
  new RegExp(String.raw`(?<before>"(?:${SECRET_NAMES.join('|')})":")(?:[^"\\]|\\.)+`, 'gi'),
];

/** The text without the secrets of this environment and without others of the usual forms. */
export function secretRemover(env: Environment): (text: string) => string {
  const values = secretValues(env);
  return (text) => {
    let clean = text;
    for (const value of values) if (clean.includes(value)) clean = clean.replaceAll(value, CENSOR);
    for (const form of FORMS) clean = clean.replace(form, `$<before>${CENSOR}`);
    return clean;
  };
}

/** The longest first, because one may contain another. Each also as JSON writes it. */
function secretValues(env: Environment): string[] {
  const given = Object.entries(env).flatMap(([name, value = '']) =>
    isSecret(name) ? [value.trim(), ...passwordOf(value)] : [],
  );
  const written = given.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
  return [...new Set(written)].filter(({ length }) => length >= SHORTEST).sort((a, b) => b.length - a.length);
}

/** The password of a URL, as it is written and decoded. */
function passwordOf(value: string): string[] {
  if (!URL.canParse(value)) return [];
  const { password } = new URL(value);
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password]; // not encoded by the rules
  }
}
