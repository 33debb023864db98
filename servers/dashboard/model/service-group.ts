/** The instances of a service as one: their number, their worst state and their totals. */
import type { FrameInstance } from '../../web/fleet-sampler.js';
import { stateOf } from './fleet-health.js';
import { markOf, type StateMark, type Tone } from './state-sign.js';

export interface ServiceGroup {
  readonly service: string;
  /** The worst first. */
  readonly instances: readonly FrameInstance[];
  readonly worst: StateMark;
  /** `3 ready`, `12, 1 down`, `4, 1 draining`. */
  readonly text: string;
}

const BADNESS: Readonly<Record<Tone, number>> = { good: 0, plain: 1, warn: 2, bad: 3 };

const toneOf = (instance: FrameInstance): Tone => markOf(stateOf(instance)).tone;

/** Instances in a worse state first; otherwise in their order. */
export function worstFirst(instances: readonly FrameInstance[]): FrameInstance[] {
  return [...instances].sort((a, b) => BADNESS[toneOf(b)] - BADNESS[toneOf(a)]);
}

/** A group per service; the services with an instance in a worse state first. */
export function serviceGroups(instances: readonly FrameInstance[]): ServiceGroup[] {
  const groups = new Map<string, FrameInstance[]>();
  for (const one of worstFirst(instances)) groups.set(one.service, [...(groups.get(one.service) ?? []), one]);
  return [...groups].map(([service, members]) => ({
    service,
    instances: members,
    worst: markOf(stateOf(members[0]!)),
    text: countsText(members),
  }));
}

function countsText(members: readonly FrameInstance[]): string {
  const counts = new Map<string, number>();
  for (const one of members) {
    const word = toneOf(one) === 'bad' ? 'down' : stateOf(one);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  if (counts.size === 1) return `${members.length} ${[...counts.keys()][0]!}`;
  const others = [...counts].filter(([word]) => word !== 'ready').map(([word, number]) => `${number} ${word}`);
  return [String(members.length), ...others].join(', ');
}
