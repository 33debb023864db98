/** Which requests may share one answer, what makes two of them the same, and what each caller gets of it. */
import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { axiosNow } from '../shared/lazy-axios.js';

/** Header fields that differ between callers without changing the answer. */
const OF_THE_CALLER = new Set(['traceparent', 'tracestate', 'baggage', 'x-request-id', 'x-correlation-id']);

/** Options that are one caller's own: a request with one of them is sent by itself. */
const PERSONAL_OPTIONS = [
  'data',
  'cancelToken',
  'onDownloadProgress',
  'onUploadProgress',
  'beforeRedirect',
  'httpAgent',
  'httpsAgent',
  'transport',
  'socketPath',
  'lookup',
  'proxy',
] as const satisfies ReadonlyArray<keyof InternalAxiosRequestConfig>;

const SHAREABLE_TYPES: ReadonlySet<unknown> = new Set([undefined, 'json', 'text', 'arraybuffer']);

/**
 * Whether the request may share another's answer: a GET without a body, answered whole, that sets nothing personal
 * beyond the client's defaults.
 */
export function isShareable(config: InternalAxiosRequestConfig, defaults: Readonly<Record<string, unknown>>): boolean {
  if (config.method?.toUpperCase() !== 'GET' || !SHAREABLE_TYPES.has(config.responseType)) return false;
  return PERSONAL_OPTIONS.every((name) => config[name] === undefined || config[name] === defaults[name]);
}

/**
 * The key by which identical requests are collapsed: target, parameters, and every header field that is not specific to
 * one caller. This includes all fields that carry credentials or negotiate content.
 */
export function shareKey(config: InternalAxiosRequestConfig): string {
  const { auth, responseType, responseEncoding, maxContentLength, maxRedirects, decompress } = config;
  const fields = Object.entries(axiosNow().AxiosHeaders.from(config.headers).toJSON())
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !OF_THE_CALLER.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const answer = [auth, responseType, responseEncoding, maxContentLength, maxRedirects, decompress];
  return JSON.stringify([axiosNow().getUri(config), fields, answer]);
}

/** The response as one caller's own: axios parses and changes it afterwards. */
export function ownResponse(response: AxiosResponse<unknown>): AxiosResponse<unknown> {
  const data = Buffer.isBuffer(response.data) ? Buffer.from(response.data) : response.data;
  return {
    ...response,
    data,
    headers: axiosNow()
      .AxiosHeaders.from(response.headers as Record<string, string>)
      .concat(),
  };
}
