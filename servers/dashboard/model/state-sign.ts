/** The sign and the tone of an instance's state, so that colour is never the only difference. */

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export interface StateMark {
  readonly sign: string;
  readonly tone: Tone;
}

const MARKS: Readonly<Record<string, StateMark>> = {
  ready: { sign: '●', tone: 'good' },
  starting: { sign: '◌', tone: 'plain' },
  warming: { sign: '◍', tone: 'plain' },
  waiting: { sign: '◔', tone: 'warn' },
  draining: { sign: '◐', tone: 'warn' },
  stopped: { sign: '○', tone: 'plain' },
  failed: { sign: '✕', tone: 'bad' },
  unreachable: { sign: '✕', tone: 'bad' },
  silent: { sign: '?', tone: 'bad' },
  ejected: { sign: '⊘', tone: 'bad' },
  stalled: { sign: '⊘', tone: 'bad' },
  unhealthy: { sign: '⊘', tone: 'bad' },
  'circuit-open': { sign: '⊘', tone: 'bad' },
  probing: { sign: '◑', tone: 'warn' },
};

/** @param state as returned by `stateOf` */
export function markOf(state: string): StateMark {
  return MARKS[state] ?? { sign: '·', tone: 'plain' };
}
