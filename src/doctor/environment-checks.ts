/** Looks at what a program finds around it: its SQLite driver, and the servers that its environment names. */
import { connect } from 'node:net';
import { messageOf } from '../shared/errors.js';
import { betterSqlite3 } from '../shared/sqlite-driver.js';
import { finding, type Finding } from './findings.js';

const TIMEOUT = 3000;

/** The variables that name a shared store, and the port where the address has none. */
const STORES = { REDIS_URL: 6379, DATABASE_URL: 5432 } as const;

function checkDriver(): Finding[] {
  try {
    betterSqlite3();
    return [];
  } catch (error) {
    const message = messageOf(error).split('\n', 1)[0]!;
    if (message.startsWith('Cannot find')) return []; // not installed: it is optional
    const remedy = "Run 'npm rebuild better-sqlite3' with the Node that runs this program";
    return [finding('TOOLOO_DOCTOR_SQLITE_DRIVER', `better-sqlite3 cannot be loaded: ${message}. ${remedy}.`)];
  }
}

function reach(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: TIMEOUT });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${TIMEOUT} ms`)));
    socket.once('error', reject);
  });
}

async function checkStore(name: keyof typeof STORES, address: string): Promise<Finding[]> {
  const failed = (reason: string): Finding[] => [finding('TOOLOO_DOCTOR_STORE_UNREACHABLE', `${name}: ${reason}.`)];
  if (!URL.canParse(address)) return failed('its value is not a URL');
  const { hostname, port } = new URL(address);
  const at = Number(port) || STORES[name];
  try {
    await reach(hostname.replace(/^\[|\]$/g, ''), at);
    return [];
  } catch (error) {
    return failed(`nothing answers at ${hostname}:${at} (${messageOf(error)})`);
  }
}

/**
 * Checks the environment variables, and the stores and the SQLite driver that they name.
 *
 * @param environment of the program, by default this one's
 *
 * @example
 * import { examineEnvironment } from '@tooloo/resilience/doctor';
 *
 * const findings = await examineEnvironment({ REDIS_URL: 'redis://127.0.0.1:6379' });
 */
export async function examineEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly Finding[]> {
  const named = (Object.keys(STORES) as Array<keyof typeof STORES>).filter((name) => Boolean(environment[name]));
  const asked = named.map((name) => checkStore(name, environment[name]!));
  return [...checkDriver(), ...(await Promise.all(asked)).flat()];
}
