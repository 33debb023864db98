/**
 * One sequence of frames for the pages of all workers: the leader samples the fleet while a page is connected to any of
 * them, and the others send the same frames. So a page that reconnects to another worker gets what it missed, and nothing
 * twice.
 */
import type { WorkerGroup } from '../workers/worker-group.js';
import type { FleetSampler } from './fleet-sampler.js';
import type { FrameStream, HeldFrame } from './frame-stream.js';

const FRAMES = 'frames';
const WATCHERS = 'watchers';

export interface SharedFrames {
  /** Sets the number of pages that are connected to this worker. */
  watchedBy(watchers: number): void;
  close(): void;
}

export function sharedFrames(
  workers: WorkerGroup,
  stream: Pick<FrameStream, 'held' | 'take' | 'onPublish'>,
  sampler: Pick<FleetSampler, 'watchedBy' | 'close'>,
): SharedFrames {
  /** Pages by worker. */
  const watchers = new Map<string, number>();
  let present = new Set<string>();

  function follow(): void {
    const total = [...watchers.values()].reduce((sum, one) => sum + one, 0);
    if (workers.isLeader) sampler.watchedBy(total);
    else void sampler.close(); // at once: two samplers would send each figure twice
  }

  function onMembers(): void {
    const now = new Set(workers.members.map(({ id, pid }) => `${id} ${pid}`));
    const hasNew = [...now].some((one) => !present.has(one));
    present = now;
    for (const id of watchers.keys()) if (!workers.members.some((one) => one.id === id)) watchers.delete(id);
    if (hasNew) {
      workers.tell(WATCHERS, watchers.get(workers.id) ?? 0);
      if (workers.isLeader) workers.tell(FRAMES, stream.held);
    }
    follow();
  }

  workers.on(WATCHERS, (count, from) => {
    watchers.set(from, count as number);
    follow();
  });
  workers.on(FRAMES, (frames) => stream.take(frames as HeldFrame[]));
  stream.onPublish = (frame) => workers.tell(FRAMES, [frame]);
  return {
    watchedBy(count) {
      watchers.set(workers.id, count);
      workers.tell(WATCHERS, count);
      follow();
    },
    close: workers.onMembers(onMembers),
  };
}
