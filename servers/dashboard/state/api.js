// Requests to the web server, with the token if there is one.
import { savedToken } from './token.js';

/** An error response, with its message. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.name = 'ApiError';
    this.status = status;
  }
}

export function authorization() {
  const token = savedToken();
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

async function read(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new ApiError(response.status, body.detail ?? body.title ?? `the server answered ${response.status}`);
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, 'the server cannot be reached');
  }
  return read(response);
}

/** Fetches JSON from a path. Throws ApiError with the server's message, or if the server cannot be reached. */
export function getJson(path, signal) {
  return ask(path, { headers: { Accept: 'application/json', ...authorization() }, signal });
}

export function postJson(path, body = {}) {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json', ...authorization() };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
}
