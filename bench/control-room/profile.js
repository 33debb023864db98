// Samples where a process spends its processor time, and finds the share of the code in one folder of the sources.
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Microseconds between two samples. */
const INTERVAL = 250;

const session = new Session();

export async function startProfile() {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
  await session.post('Profiler.start');
}

/** Ends the profile. Returns the share of the busy time that functions of the folder took, with all that they called. */
export async function shareOf(folder) {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const times = new Map(profile.nodes.map(({ id }) => [id, 0]));
  profile.samples.forEach((id, i) => times.set(id, times.get(id) + profile.timeDeltas[i]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const isInside = (id) =>
    id !== undefined && (sourceOf(nodes.get(id).callFrame).includes(folder) || isInside(parents.get(id)));
  const sum = (of) => [...times].reduce((all, [id, time]) => all + (of(id) ? time : 0), 0);
  const isBusy = (id) => nodes.get(id).callFrame.functionName !== '(idle)';
  return sum((id) => isBusy(id) && isInside(id)) / sum(isBusy);
}

const maps = new Map();

function mapOf(url) {
  if (!maps.has(url)) {
    try {
      maps.set(url, new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, 'utf8'))));
    } catch {
      maps.set(url, undefined); // not a bundle
    }
  }
  return maps.get(url);
}

function sourceOf({ url, lineNumber, columnNumber }) {
  const map = url.startsWith('file:') ? mapOf(url) : undefined;
  return map?.findEntry(lineNumber, columnNumber).originalSource ?? url;
}
