/** Keys as statistics show them where they hold secrets. */
import { createHmac, randomBytes } from 'node:crypto';

const processSecret = randomBytes(32);

/** The same within this process, meaningless outside: 12 hexadecimal digits. */
export function hiddenKey(key: string): string {
  return createHmac('sha256', processSecret).update(key).digest('hex').slice(0, 12);
}
