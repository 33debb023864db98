/**
 * Bytes of the heap that a request keeps while its instance is waited for. With many requests in progress, the garbage
 * collector copies all of them, which then costs more than the work of the middleware. They are measured in a process of
 * its own, because other suites leave async hooks behind in a process of Jest.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';
import type { BytesInProgress } from './in-progress-program.js';

test('a request in progress keeps few bytes beyond those of Node', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'in-progress-'));
  const child = startProgram(bundleProgram(join(__dirname, 'in-progress-program.ts'), folder));
  try {
    const { bare, alone, all } = await nextMessage<BytesInProgress>(child);
    // Measured on Node 20, 22 and 24: 1,100 to 1,550 and 3,050 to 3,350.
    expect(alone - bare).toBeLessThan(1900);
    expect(all - bare).toBeLessThan(3800);
  } finally {
    child.kill();
    rmSync(folder, { recursive: true });
  }
});
