/**
 * The latest log lines of all instances. The orchestrator stores what its instances print. Instances that it does not
 * know answer for themselves, and so do all instances of a fleet without an orchestrator.
 */
import { askInstance } from '../support/ask-instance.js';
import {
  latest,
  positionsOf,
  type FoundLine,
  type FoundLines,
  type LogQuery,
  type StoredSource,
} from '../support/log-search.js';
import type { ServiceContext } from '../support/service.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';

export interface FleetLogs {
  /** Oldest first. */
  readonly lines: readonly FoundLine[];
  /** Whether older lines match too. */
  readonly hasMore: boolean;
  /** Pass it as `after` for the lines that follow. */
  readonly cursor: string;
  /** Whether these are all lines that match, and not only those after the given cursor. */
  readonly isWhole: boolean;
  /** The instances whose lines are stored, also stopped ones. */
  readonly sources: readonly StoredSource[];
  /** Instances that did not answer. */
  readonly silent: readonly string[];
}

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>;

export async function readLogs(parts: Parts, query: LogQuery): Promise<FleetLogs> {
  const round = await askForLines(parts, query);
  const positions = positionsOf(query.after);
  // A tail that is new, or one that is missing, may repeat or omit lines. The answer then has all lines.
  const isContinued = positions.size === round.tails.length && round.tails.every(({ tail }) => positions.has(tail));
  if (query.after === undefined || isContinued) return joined(round, query.limit, query.after === undefined);
  return joined(await askForLines(parts, { ...query, after: undefined }), query.limit, true);
}

interface Round {
  readonly tails: readonly FoundLines[];
  readonly silent: readonly string[];
}

async function askForLines(parts: Parts, query: LogQuery): Promise<Round> {
  const { instances } = await listInstances(parts);
  const running = instances.filter(isRunning);
  const orchestrator = running.find(({ service }) => service === 'orchestrator');
  const silent: string[] = [];
  const ask = async (instance: FleetInstance, asked: LogQuery): Promise<FoundLines[]> => {
    try {
      const found = await askInstance<FoundLines>(instance, pathOf(asked), parts);
      return found === undefined ? [] : [found];
    } catch {
      silent.push(instance.id);
      return [];
    }
  };
  const central = orchestrator === undefined ? [] : await ask(orchestrator, query);
  const stored = new Set(central.flatMap(({ sources }) => sources.map(({ instance }) => instance)));
  const others = running.filter((one) => one !== orchestrator && !stored.has(one.id) && isAsked(one, query));
  const own = await Promise.all(
    others.map(async (one) => (await ask(one, { ...query, instance: undefined })).map((found) => renamed(found, one))),
  );
  return { tails: [...central, ...own.flat()], silent };
}

function isAsked({ service, id }: FleetInstance, query: LogQuery): boolean {
  return (query.service ?? service) === service && (query.instance ?? id) === id;
}

function pathOf(query: LogQuery): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const parameters = given.map(([name, value]): [string, string] => [name, String(value)]);
  return `/api/v1/system/logs?${new URLSearchParams(parameters).toString()}`;
}

/** Without an orchestrator, an instance does not know the name that the fleet gives it. */
function renamed(found: FoundLines, { id }: FleetInstance): FoundLines {
  return {
    ...found,
    lines: found.lines.map((line) => ({ ...line, instance: id })),
    sources: found.sources.map((source) => ({ ...source, instance: id })),
  };
}

function joined({ tails, silent }: Round, limit: number, isWhole: boolean): FleetLogs {
  const { lines, hasMore } = latest(
    tails.flatMap((found) => found.lines),
    limit,
  );
  return {
    ...{ lines, isWhole, silent },
    hasMore: hasMore || tails.some((found) => found.hasMore),
    cursor: tails.map(({ tail, last }) => `${tail}.${last}`).join(','),
    sources: tails.flatMap(({ sources }) => sources),
  };
}
