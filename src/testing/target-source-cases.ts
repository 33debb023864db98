/** The requirements on every target source, as cases that users can run on their own sources. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { DiscoveredTarget, TargetSource } from '../routing/sources/target-source.js';
import { parseTarget } from '../routing/target.js';
import type { ConformanceCase } from './conformance-case.js';

/** The source under test, and the instances that it reports. */
export interface TargetSourceFixture {
  /** Reports instances on these ports of 127.0.0.1, for the service 'service'. */
  readonly source: TargetSource;
  readonly ports: readonly number[];
  /** Changes the set to these ports; leave it out for a source whose set never changes. */
  readonly change?: (ports: readonly number[]) => void | Promise<void>;
  /** Runs after the case, even if it failed; the case has closed the source by then. */
  readonly close?: () => void | Promise<void>;
}

type Reports = Array<readonly DiscoveredTarget[]>;
type Check = (fixture: TargetSourceFixture) => Promise<void>;

/** The most turns of the event loop that a source may take to report a change. */
const MAX_TURNS = 20_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < MAX_TURNS && !condition(); i++) await new Promise((resolve) => setImmediate(resolve));
  ok(condition(), what);
}

function portsOf(targets: readonly DiscoveredTarget[] | undefined): number[] {
  return (targets ?? []).map(({ draining: _draining, ...target }) => parseTarget('a source', target).port).sort();
}

function subscribe({ source }: TargetSourceFixture): { readonly reports: Reports; readonly unsubscribe: () => void } {
  const reports: Reports = [];
  return { reports, unsubscribe: source.subscribe('service', (targets) => reports.push(targets)) };
}

/** Cases for every source. */
const CHECKS: Readonly<Record<string, Check>> = {
  'reports the whole set, at once or soon': async (fixture) => {
    const { reports } = subscribe(fixture);
    await until(() => reports.length > 0, 'the source reported nothing');
    deepStrictEqual(portsOf(reports[0]), [...fixture.ports].sort());
  },
  'reports the set to a late subscriber as well': async (fixture) => {
    const first = subscribe(fixture);
    await until(() => first.reports.length > 0, 'the source reported nothing');
    const second = subscribe(fixture);
    await until(() => second.reports.length > 0, 'the second subscriber received no report');
    deepStrictEqual(portsOf(second.reports[0]), [...fixture.ports].sort());
  },
  'can be closed twice': async ({ source }) => {
    const reports: Reports = [];
    source.subscribe('service', (targets) => reports.push(targets));
    await until(() => reports.length > 0, 'the source reported nothing');
    await source.close();
    await source.close();
  },
};

/** Cases for sources with a set that changes. */
const CHANGE_CHECKS: Readonly<Record<string, Check>> = {
  'reports the whole set again when it changes': async (fixture) => {
    const { reports } = subscribe(fixture);
    await until(() => reports.length > 0, 'the source reported nothing');
    const ports = [fixture.ports[0]!, 65_000];
    await fixture.change!(ports);
    await until(() => portsOf(reports.at(-1)).join() === ports.sort().join(), 'the change was not reported');
  },
  'stops reports to an ended subscription, and continues the others': async (fixture) => {
    const first = subscribe(fixture);
    const second = subscribe(fixture);
    await until(() => first.reports.length > 0 && second.reports.length > 0, 'the source reported nothing');
    first.unsubscribe();
    first.unsubscribe();
    const before = first.reports.length;
    await fixture.change!([64_000]);
    await until(() => portsOf(second.reports.at(-1)).join() === '64000', 'the change was not reported');
    strictEqual(first.reports.length, before);
  },
  'a subscriber that throws does not stop the reports to others': async (fixture) => {
    let failed = false;
    fixture.source.subscribe('service', () => {
      if (failed) throw new Error('a subscriber failed');
      failed = true;
    });
    await until(() => failed, 'the source reported nothing');
    const { reports } = subscribe(fixture);
    await until(() => reports.length > 0, 'the source reported nothing');
    await fixture.change!([63_000]);
    await until(() => portsOf(reports.at(-1)).join() === '63000', 'the change was not reported');
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

/**
 * The cases for every source. Run each with a function that creates the source.
 *
 * @example
 * import { test } from 'node:test';
 * import { staticTargets } from '@tooloo/resilience';
 * import { targetSourceCases } from '@tooloo/resilience/testing';
 *
 * for (const { name, run } of targetSourceCases) {
 *   const ports = [8001, 8002];
 *   const source = staticTargets(ports.map((port) => `http://127.0.0.1:${port}`)); // your source
 *   test(name, () => run(() => ({ source, ports })));
 * }
 */
export const targetSourceCases = cases(CHECKS);

/**
 * Further cases, for sources with a set that can change.
 *
 * @example
 * import { test } from 'node:test';
 * import { targetSourceChangeCases, type TargetSourceFixture } from '@tooloo/resilience/testing';
 *
 * export function testChanges(create: () => TargetSourceFixture): void {
 *   for (const { name, run } of targetSourceChangeCases) test(name, () => run(create));
 * }
 */
export const targetSourceChangeCases = cases(CHANGE_CHECKS);
