/** Errors in the form that a client accepts: a problem document, or a page for a browser (RFC 9110 §12.5.1). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResilienceError } from './errors.js';
import { sendError } from './problem.js';
import { parseWeightedList, weightOf } from './weighted-list.js';

type Form = 'problem' | 'html' | 'text';

const FORMS: ReadonlyArray<readonly [form: Form, type: string]> = [
  ['problem', 'application/problem+json'],
  ['problem', 'application/json'],
  ['html', 'text/html'],
  ['text', 'text/plain'],
];

/** Longer fields are not parsed: no client needs one, and the default form is right for all. */
const LONGEST_ACCEPT = 1_000;

/** The forms of the `Accept` fields seen so far. A flood of refused requests has few different ones. */
const known = new Map<string, Form>();
const MOST_KNOWN = 100;

/** The preferred form. Where several are equally welcome, the problem document. */
export function preferredForm(accept: string | undefined): Form {
  if (accept === undefined || accept === '' || accept.length > LONGEST_ACCEPT) return 'problem';
  const before = known.get(accept);
  if (before !== undefined) return before;
  const form = negotiate(accept);
  if (known.size < MOST_KNOWN) known.set(accept, form);
  return form;
}

function negotiate(accept: string): Form {
  const ranges = parseWeightedList(accept);
  let best: Form = 'problem';
  let bestQuality = 0;
  for (const [form, type] of FORMS) {
    const quality = weightOf(ranges, [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']);
    if (quality > bestQuality) [best, bestQuality] = [form, quality];
  }
  return best;
}

/** As `sendError`, but a browser gets a page and a terminal gets text. */
export function sendNegotiatedError(req: IncomingMessage, res: ServerResponse, error: ResilienceError): void {
  if (!res.headersSent) appendVary(res);
  const form = preferredForm(req.headers.accept);
  if (form === 'problem' || res.headersSent) return sendError(req, res, error);
  const seconds = error.retryAfter === undefined ? undefined : Math.max(0, Math.ceil(error.retryAfter));
  const body = Buffer.from(form === 'html' ? page(error, seconds) : `${error.title}: ${error.message}\n`);
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  if (seconds !== undefined) res.setHeader('Retry-After', String(seconds));
  for (const name of ['content-encoding', 'etag', 'last-modified']) res.removeHeader(name);
  res.statusCode = error.status;
  res.setHeader('Content-Type', form === 'html' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8');
  res.setHeader('Content-Length', body.length);
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : body);
}

function appendVary(res: ServerResponse): void {
  const vary = res.getHeader('Vary');
  const fields =
    vary === undefined
      ? []
      : String(vary)
          .split(',')
          .map((field) => field.trim().toLowerCase());
  if (fields.includes('accept') || fields.includes('*')) return;
  res.setHeader('Vary', vary === undefined ? 'Accept' : `${String(vary)}, Accept`);
}

function page(error: ResilienceError, seconds: number | undefined): string {
  const advice = seconds === undefined ? '' : `<p>Please try again in ${seconds} s.</p>`;
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${error.status} ${escape(error.title)}</title></head>` +
    `<body><h1>${escape(error.title)}</h1><p>${escape(error.message)}</p>${advice}</body></html>\n`
  );
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
