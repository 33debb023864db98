/** The secret the services of a fleet know each other by, where the user has set none: made once, kept beside the data. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'control-token';
/** The next orchestrator must know it too, to take over what runs; nobody but this user may. */
const OWNER_ONLY = 0o600;

/** The token in the folder; a new one where there is none. */
export function fleetToken(folder: string): string {
  const path = join(folder, FILE);
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(path, randomBytes(24).toString('base64url'), { flag: 'wx', mode: OWNER_ONLY });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8');
}
