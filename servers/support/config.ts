/**
 * All settings of the fleet, read from the environment and from a `.env` file, and checked once at startup.
 * `.env.example` lists the same variables; a test keeps the two equal.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import * as z from 'zod';
import { FLEET, portVariable, SERVICE_NAMES, type ServiceName } from './fleet.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The rule for a variable: how to parse it, its default, and the expectation stated in error messages. */
interface Variable<T> {
  readonly schema: z.ZodType<T, string>;
  /** Text used if the variable is absent or empty. If undefined, the setting is undefined. */
  readonly byDefault: string | undefined;
  readonly expected: string;
  /** A secret value is never printed, not even if it is invalid. */
  readonly secret: boolean;
}

function variable<T>(schema: z.ZodType<T, string>, expected: string, byDefault: string, secret = false): Variable<T> {
  return { schema, expected, byDefault, secret };
}

function optional<T>(schema: z.ZodType<T, string>, expected: string, secret = false): Variable<T | undefined> {
  return { schema, expected, byDefault: undefined, secret };
}

const numeric = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .transform(Number);
const port = numeric.pipe(z.number().int().min(0).max(65_535));
const wholeNumber = (min: number): z.ZodType<number, string> => numeric.pipe(z.number().int().min(min));
const amount = (min: number, max = Infinity): z.ZodType<number, string> => numeric.pipe(z.number().min(min).max(max));
const httpUrl = z.string().refine((text) => /^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : ''));
const text = z.string().min(1);

/** `TRUST_PROXY`: a number of hops, or the names, addresses and networks that the middleware accept. */
function isTrust(value: string): boolean {
  if (/^\d+$/.test(value)) return true;
  return value.split(',').every((part) => {
    const [address = '', bits, more] = part.trim().split('/');
    if (more !== undefined) return false;
    if (['loopback', 'linklocal', 'uniquelocal'].includes(address)) return bits === undefined;
    const family = isIP(address);
    return family !== 0 && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)));
  });
}

const PORTS = Object.fromEntries(
  SERVICE_NAMES.map((name) => [
    portVariable(name),
    variable(port, 'a port from 0 to 65535 (0: any free one)', String(FLEET[name].port)),
  ]),
) as Record<ReturnType<typeof portVariable>, Variable<number>>;

const VARIABLES = {
  ...PORTS,
  WEB_WORKERS: variable(
    numeric.pipe(z.number().int().min(1).max(64)),
    'a whole number of processes, from 1 to 64',
    '1',
  ),
  HOST: variable(text, 'an address to listen on', '127.0.0.1'),
  DATA_DIR: variable(text, 'a folder', './data'),
  LOG_LEVEL: variable(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'one of fatal, error, warn, info, debug, trace, silent',
    'info',
  ),
  CONTROL_TOKEN: optional(z.string().min(16), 'a secret of at least 16 characters', true),
  CONTROL_TOKEN_MADE: variable(z.enum(['true', 'false']), "'true' or 'false'", 'false'),
  CONTROL: variable(z.enum(['token', 'loopback']), "'token' or 'loopback'", 'token'),
  DASHBOARD_TOKEN: optional(z.string().min(16), 'a secret of at least 16 characters', true),
  TRUST_PROXY: optional(
    text.refine(isTrust),
    "a number of hops, or addresses and networks like 'loopback, 10.0.0.0/8'",
  ),
  ORCHESTRATOR_URL: optional(httpUrl, 'an http(s) URL'),
  PEER_HOST: variable(text, 'a host name, with {service} where each service has one of its own', '127.0.0.1'),
  INSTANCE_ID: optional(text, 'a name'),
  DETACH: variable(z.enum(['true', 'false']), "'true' or 'false'", 'false'),
  DRAIN_DELAY_MS: variable(wholeNumber(0), 'whole milliseconds, at least 0', '0'),
  SHUTDOWN_TIMEOUT_MS: variable(wholeNumber(100), 'whole milliseconds, at least 100', '5000'),
  SCALING_INTERVAL_MS: variable(wholeNumber(0), 'whole milliseconds, at least 0 (0: no scaling by itself)', '10000'),
  SCALING_HOLD_MS: variable(wholeNumber(0), 'whole milliseconds, at least 0', '600000'),
  SCALING_MIN: variable(wholeNumber(1), 'a whole number of instances, at least 1', '1'),
  SCALING_MAX: optional(wholeNumber(1), 'a whole number of instances, at least 1'),
  SCALING_POLICIES_FILE: variable(text, 'a JSON file of scaling policies', './scaling.json'),
  TRACE_SAMPLING_RATE: variable(amount(0, 1), 'a number from 0 to 1', '0.1'),
  TRACE_HEADERS: optional(z.string().regex(/^[\w-]+( *, *[\w-]+)*$/), 'names of header fields, separated by commas'),
  TRACE_CONTEXT: variable(z.enum(['async', 'cls-hooked']), "'async' or 'cls-hooked'", 'async'),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(httpUrl, 'an http(s) URL, e.g. http://127.0.0.1:4318'),
  RATE_LIMIT_CAPACITY: variable(wholeNumber(1), 'a whole number of requests, at least 1', '100'),
  RATE_LIMIT_REFILL_PER_SECOND: variable(amount(0.001), 'requests per second, above 0', '50'),
  RATE_LIMIT_SERVICE_CAPACITY: variable(wholeNumber(1), 'a whole number of requests, at least 1', '2000'),
  RATE_LIMIT_SERVICE_REFILL_PER_SECOND: variable(amount(0.001), 'requests per second, above 0', '1000'),
  MAX_IN_FLIGHT: optional(
    z.union([z.literal('adaptive'), wholeNumber(1)]),
    "'adaptive', or a whole number of requests, at least 1",
  ),
  REDIS_URL: optional(z.string().regex(/^rediss?:\/\/\S+$/), 'a redis:// or rediss:// URL', true),
  HISTORY_MB: variable(
    amount(0, 10_000).refine((megabytes) => megabytes === 0 || megabytes >= 1),
    'megabytes, at least 1 (0: no history)',
    '20',
  ),
  DATABASE_URL: optional(z.string().regex(/^postgres(ql)?:\/\/\S+$/), 'a postgres:// URL', true),
  PROVIDER_MAX_IN_FLIGHT: variable(wholeNumber(1), 'a whole number of requests, at least 1', '50'),
  PROVIDERS_FILE: variable(text, 'a JSON file of model providers', './providers.json'),
  BUDGET_DAILY_LIMIT: variable(amount(0), 'US dollars, at least 0', '10'),
  BUDGET_MONTHLY_LIMIT: variable(amount(0), 'US dollars, at least 0', '200'),
} as const;

export type VariableName = keyof typeof VARIABLES;
/** The settings by variable name. An optional setting without a value is undefined. */
export type FleetConfig = { readonly [K in VariableName]: z.output<(typeof VARIABLES)[K]['schema']> };

/** The default text of a variable. */
export function defaultOf(name: VariableName): string | undefined {
  return VARIABLES[name].byDefault;
}

/** Names of all variables, as `.env.example` must list them. */
export const VARIABLE_NAMES = Object.keys(VARIABLES) as readonly VariableName[];

/** One or more variables are invalid. The message has one line per variable and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Keys of model providers. `PROVIDERS_FILE` defines their names, so any name with this ending is valid. */
const PROVIDER_KEY = /_KEY$/;

/** Whether the value of a variable must not appear anywhere. */
export function isSecret(name: string): boolean {
  return PROVIDER_KEY.test(name) || (Object.hasOwn(VARIABLES, name) && VARIABLES[name as VariableName].secret);
}

/**
 * Reads the settings from an environment. An empty variable counts as absent.
 *
 * @throws ConfigError naming each invalid variable
 */
export function readConfig(env: Environment): FleetConfig {
  const wrong: string[] = [];
  const values = Object.entries(VARIABLES).map(([name, rule]: [string, Variable<unknown>]): [string, unknown] => {
    const given = env[name]?.trim() || rule.byDefault;
    if (given === undefined) return [name, undefined];
    const result = rule.schema.safeParse(given);
    if (result.success) return [name, result.data];
    wrong.push(`${name}: expected ${rule.expected}${rule.secret ? '' : `, got ${JSON.stringify(given)}`}`);
    return [name, undefined];
  });
  wrong.push(...sharedPorts(values));
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
  return Object.fromEntries(values) as FleetConfig;
}

/** Finds two servers on one port. Otherwise one would fail later and wrongly blame another program. */
function sharedPorts(values: ReadonlyArray<readonly [string, unknown]>): string[] {
  const owners = new Map<unknown, string>();
  return values.flatMap(([name, value]) => {
    if (!(name in PORTS) || value === 0 || value === undefined) return [];
    const other = owners.get(value);
    owners.set(value, name);
    return other === undefined ? [] : [`${name}: ${Number(value)} is the port of ${other} as well`];
  });
}

/** The process environment, which takes precedence over the `.env` file of the folder, if there is one. */
export function readEnvironment(folder = process.cwd()): Environment {
  const file = join(folder, '.env');
  return existsSync(file) ? { ...parseEnv(readFileSync(file, 'utf8')), ...process.env } : process.env;
}

/** Names in a `.env` file that the fleet does not use. They are probably typing errors and are reported at startup. */
export function unknownVariables(folder = process.cwd()): string[] {
  const file = join(folder, '.env');
  if (!existsSync(file)) return [];
  return Object.keys(parseEnv(readFileSync(file, 'utf8'))).filter(
    (name) => !(name in VARIABLES) && !PROVIDER_KEY.test(name),
  );
}

/** The port of a service. */
export function portOf(config: FleetConfig, name: ServiceName): number {
  return config[portVariable(name)];
}

/** `TRUST_PROXY` in the form the middleware take: a number of hops, or a list of addresses. */
export function trustProxyOf(config: FleetConfig): number | string[] | false {
  const value = config.TRUST_PROXY;
  if (value === undefined) return false;
  return /^\d+$/.test(value) ? Number(value) : value.split(',').map((part) => part.trim());
}
