/** Describes in sentences the effect of a purge, before and after it. */
import type { PurgePreview } from '../../web/cache-detail.js';
import { count } from './format.js';

function entriesText(entries: number): string {
  return `${count(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
}

function silentText(silent: readonly string[]): string {
  return silent.length > 0 ? ` ${silent.join(', ')} did not answer.` : '';
}

/** `This removes 1,204 entries in 3 services: budget (2), reports (1,000), web (202).` */
export function previewText({ services, entries, silent }: PurgePreview): string {
  const names = Object.keys(services).sort();
  if (names.length === 0) return `No entry matches.${silentText(silent)}`;
  const list = names.map((name) => `${name} (${count(services[name])})`).join(', ');
  const where = `${names.length} ${names.length === 1 ? 'service' : 'services'}`;
  return `This removes ${entriesText(entries)} in ${where}: ${list}.${silentText(silent)}`;
}

export interface PurgeOutcome {
  readonly by: string;
  readonly what: string;
  /** The instances that purged; `removed` is not known for a tag. */
  readonly purged: ReadonlyArray<{ readonly instance: string; readonly removed?: number }>;
  readonly silent: readonly string[];
  /** Matching entries that are stored now. */
  readonly left: number;
}

export function purgedText({ by, what, purged, silent, left }: PurgeOutcome): string {
  const where = purged.map(({ instance, removed }) =>
    removed === undefined ? instance : `${instance} (${entriesText(removed)})`,
  );
  const now = left === 0 ? 'No matching entry is stored now.' : `${entriesText(left)} were stored again meanwhile.`;
  return `Purged the ${by} “${what}” in ${where.join(', ') || 'no cache'}. ${now}${silentText(silent)}`;
}
