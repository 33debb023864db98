/**
 * The environment variables of the OpenTelemetry specification ("Environment Variable Specification", "OTLP exporter").
 * Options override them. A value that cannot be parsed is ignored with a warning, as the specification requires.
 */
import { isIP } from 'node:net';
import { describeValue } from '../shared/user-value.js';

type Environment = Readonly<Record<string, string | undefined>>;

function textOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value; // empty means not set
}

function warn(name: string, value: string): undefined {
  process.emitWarning(`${name}: '${describeValue(value, 100)}' is not understood and ignored`, {
    code: 'TOOLOO_ENVIRONMENT_IGNORED',
  });
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `key=value,key=value` with percent-encoded values (Baggage §3.3.1, without properties). */
function pairsOf(env: Environment, name: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const pair of (textOf(env, name) ?? '').split(',')) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at).trim();
    if (at > 0 && key !== '') pairs[key] = decoded(pair.slice(at + 1).trim());
    else if (pair.trim() !== '') warn(name, pair);
  }
  return pairs;
}

/** `OTEL_SERVICE_NAME`, else `service.name` of `OTEL_RESOURCE_ATTRIBUTES`. */
export function serviceNameFrom(env: Environment = process.env): string | undefined {
  return textOf(env, 'OTEL_SERVICE_NAME') ?? pairsOf(env, 'OTEL_RESOURCE_ATTRIBUTES')['service.name'];
}

/** `OTEL_RESOURCE_ATTRIBUTES`, without the service name. */
export function resourceFrom(env: Environment = process.env): Record<string, string> {
  const { 'service.name': _name, ...rest } = pairsOf(env, 'OTEL_RESOURCE_ATTRIBUTES');
  return rest;
}

/** `OTEL_TRACES_SAMPLER` and its argument, as a rate. */
export function samplingRateFrom(env: Environment = process.env): number | undefined {
  const sampler = textOf(env, 'OTEL_TRACES_SAMPLER');
  if (sampler === undefined) return undefined;
  switch (sampler.replace(/^parentbased_/, '')) {
    case 'always_on':
      return 1;
    case 'always_off':
      return 0;
    case 'traceidratio': {
      const argument = textOf(env, 'OTEL_TRACES_SAMPLER_ARG') ?? '1';
      const rate = Number(argument);
      return rate >= 0 && rate <= 1 ? rate : warn('OTEL_TRACES_SAMPLER_ARG', argument);
    }
    default:
      return warn('OTEL_TRACES_SAMPLER', sampler);
  }
}

/** How spans are exported, as far as the environment says. */
export interface ExporterEnvironment {
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number | undefined;
  readonly compression: 'gzip' | 'none' | undefined;
}

const PATH = '/v1/traces';

/** The path of the signal is appended to a base URL. A URL that has this path is complete. */
export function withTracesPath(url: string): string {
  const parsed = new URL(url);
  if (!parsed.pathname.endsWith(PATH)) parsed.pathname = parsed.pathname.replace(/\/*$/, PATH);
  return parsed.href;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^/]/i.test(text) && URL.canParse(text);
}

function urlFrom(env: Environment): string | undefined {
  const own = textOf(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  if (own !== undefined) return isHttpUrl(own) ? own : warn('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', own);
  const base = textOf(env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  if (base === undefined) return undefined;
  return isHttpUrl(base) ? withTracesPath(base) : warn('OTEL_EXPORTER_OTLP_ENDPOINT', base);
}

/** `OTEL_EXPORTER_OTLP_TRACES_*`, else `OTEL_EXPORTER_OTLP_*`. */
export function exporterFrom(env: Environment = process.env): ExporterEnvironment {
  const either = (name: string): string | undefined =>
    textOf(env, `OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? textOf(env, `OTEL_EXPORTER_OTLP_${name}`);
  const timeout = either('TIMEOUT');
  const milliseconds = Number(timeout);
  const known = timeout === undefined ? undefined : milliseconds;
  const compression = either('COMPRESSION');
  return {
    url: urlFrom(env),
    headers: { ...pairsOf(env, 'OTEL_EXPORTER_OTLP_HEADERS'), ...pairsOf(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS') },
    timeout: timeout === undefined || milliseconds >= 1 ? known : warn('OTEL_EXPORTER_OTLP_TIMEOUT', timeout),
    compression:
      compression === undefined || compression === 'gzip' || compression === 'none'
        ? compression
        : warn('OTEL_EXPORTER_OTLP_COMPRESSION', compression),
  };
}

/** Whether a host is this machine: its collector is never reached through a proxy of the environment. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
