// Questions to the web server. The token, where one was given, lives as long as the tab.
const TOKEN = 'tooloo.token';

/** What an answer that is an error says. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.name = 'ApiError';
    this.status = status;
  }
}

export function savedToken() {
  return sessionStorage.getItem(TOKEN) ?? undefined;
}

export function saveToken(token) {
  if (token === undefined || token === '') sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
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

/** The JSON at a path. Throws ApiError with what the server says, or that it says nothing. */
export function getJson(path, signal) {
  return ask(path, { headers: { Accept: 'application/json', ...authorization() }, signal });
}

export function postJson(path, body = {}) {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json', ...authorization() };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
}
