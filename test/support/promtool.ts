/** `promtool`, which checks what Prometheus is to read. In Debian it comes with the package prometheus. */
import { spawnSync } from 'node:child_process';
import { describeUnless } from './services.js';

export interface Verdict {
  readonly status: number | null;
  readonly said: string;
}

export const NO_OBJECTION: Verdict = { status: 0, said: '' };

/** `describe` for tests that need promtool. */
export function describeWithPromtool(title: string, suite: () => void): void {
  const isThere = spawnSync('promtool', ['--version']).status === 0;
  describeUnless(isThere ? undefined : 'no promtool is installed', title, suite);
}

export function checkMetrics(exposition: string): Verdict {
  const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
    input: exposition,
    encoding: 'utf8',
  });
  return { status, said: stderr + stdout };
}
