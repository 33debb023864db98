/** The shared secret of a fleet if the user has set none. It is generated once and stored in the data folder. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'control-token';
/** The next orchestrator needs the token too, to adopt running instances. Only this user may read it. */
const OWNER_ONLY = 0o600;

/** The token stored in the folder; undefined if it is missing or not readable for this user. */
export function readFleetToken(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, FILE), 'utf8');
  } catch {
    return undefined;
  }
}

/** The token stored in the folder. It is generated on first use. */
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
