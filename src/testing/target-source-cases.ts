/** What every target source must do, as cases a user can run on their own. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { DiscoveredTarget, TargetSource } from '../routing/sources/target-source.js';
import { parseTarget } from '../routing/target.js';
import type { ConformanceCase } from './conformance-case.js';

export interface TargetSourceFixture {
  /** Tells of instances on these ports of 127.0.0.1, for the service 'service'. */
  readonly source: TargetSource;
  readonly ports: readonly number[];
  /** Makes the set change to these ports; leave it out for a source whose set never changes. */
  readonly change?: (ports: readonly number[]) => void | Promise<void>;
  /** Runs after the case, whatever it found; the case has closed the source by then. */
  readonly close?: () => void | Promise<void>;
}

type Told = Array<readonly DiscoveredTarget[]>;
type Check = (fixture: TargetSourceFixture) => Promise<void>;

/** Turns of the event loop a source may take to tell of something. */
const PATIENCE = 20_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < PATIENCE && !condition(); i++) await new Promise((resolve) => setImmediate(resolve));
  ok(condition(), what);
}

function portsOf(targets: readonly DiscoveredTarget[] | undefined): number[] {
  return (targets ?? []).map(({ draining: _draining, ...target }) => parseTarget('a source', target).port).sort();
}

function subscribe({ source }: TargetSourceFixture): { readonly told: Told; readonly unsubscribe: () => void } {
  const told: Told = [];
  return { told, unsubscribe: source.subscribe('service', (targets) => told.push(targets)) };
}

/** Of every source. */
const CHECKS: Readonly<Record<string, Check>> = {
  'tells of the whole set, at once or soon': async (fixture) => {
    const { told } = subscribe(fixture);
    await until(() => told.length > 0, 'nothing was told');
    deepStrictEqual(portsOf(told[0]), [...fixture.ports].sort());
  },
  'tells a late subscriber as well': async (fixture) => {
    const first = subscribe(fixture);
    await until(() => first.told.length > 0, 'nothing was told');
    const second = subscribe(fixture);
    await until(() => second.told.length > 0, 'the second subscriber was told nothing');
    deepStrictEqual(portsOf(second.told[0]), [...fixture.ports].sort());
  },
  'closes once and for all': async ({ source }) => {
    const told: Told = [];
    source.subscribe('service', (targets) => told.push(targets));
    await until(() => told.length > 0, 'nothing was told');
    await source.close();
    await source.close();
  },
};

/** Of sources whose set changes. */
const CHANGE_CHECKS: Readonly<Record<string, Check>> = {
  'tells the whole set again when it changes': async (fixture) => {
    const { told } = subscribe(fixture);
    await until(() => told.length > 0, 'nothing was told');
    const ports = [fixture.ports[0]!, 65_000];
    await fixture.change!(ports);
    await until(() => portsOf(told.at(-1)).join() === ports.sort().join(), 'the change was not told');
  },
  'tells nothing after the subscription was ended, and the others all the same': async (fixture) => {
    const first = subscribe(fixture);
    const second = subscribe(fixture);
    await until(() => first.told.length > 0 && second.told.length > 0, 'nothing was told');
    first.unsubscribe();
    first.unsubscribe();
    const heard = first.told.length;
    await fixture.change!([64_000]);
    await until(() => portsOf(second.told.at(-1)).join() === '64000', 'the change was not told');
    strictEqual(first.told.length, heard);
  },
  'a subscriber that throws does not keep the others from being told': async (fixture) => {
    let failed = false;
    fixture.source.subscribe('service', () => {
      if (failed) throw new Error('a subscriber failed');
      failed = true;
    });
    await until(() => failed, 'nothing was told');
    const { told } = subscribe(fixture);
    await until(() => told.length > 0, 'nothing was told');
    await fixture.change!([63_000]);
    await until(() => portsOf(told.at(-1)).join() === '63000', 'the change was not told');
  },
};

function cases(checks: Readonly<Record<string, Check>>): readonly ConformanceCase<TargetSourceFixture>[] {
  return Object.entries(checks).map(([name, check]) => ({
    name,
    run: async (create) => {
      const fixture = await create();
      try {
        await check(fixture);
      } finally {
        await fixture.source.close();
        await fixture.close?.();
      }
    },
  }));
}

/** The cases of every source; each is run with a function that makes the source anew. */
export const targetSourceCases = cases(CHECKS);

/** Further ones, of sources whose set can change. */
export const targetSourceChangeCases = cases(CHANGE_CHECKS);
