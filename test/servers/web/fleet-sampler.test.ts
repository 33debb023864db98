import { FleetSampler, type Frame } from '../../../servers/web/fleet-sampler.js';
import { createLogger } from '../../../servers/support/logger.js';
import { openPeers } from '../../../servers/support/peers.js';
import { readConfig } from '../../../servers/support/config.js';
import { FREE_PORTS } from '../../support/fleet.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

test('samples from the first viewer until some seconds after the last one, and then holds no timer', async () => {
  const clock = new FakeClock();
  // No orchestrator reports instances, so that a sample is taken without waiting for one.
  const peers = openPeers({ config: readConfig(FREE_PORTS), overrides: {} });
  const frames: Frame[] = [];
  const log = createLogger({ service: 'web', level: 'silent' });
  const sampler = new FleetSampler({ peers, controlToken: undefined, workers: undefined, clock, log }, (frame) =>
    frames.push(frame),
  );
  expect([sampler.isRunning, clock.pendingTimers]).toEqual([false, 0]);

  sampler.watchedBy(1);
  sampler.watchedBy(2);
  await clock.advance(5_000);
  expect(frames).toHaveLength(3); // at once, and every other second: one loop for any number of viewers
  expect(frames[0]).toMatchObject({ isOrchestrated: false, instances: [], points: [], scaling: null });

  sampler.watchedBy(0);
  await clock.advance(6_000);
  sampler.watchedBy(1); // a page that was loaded again
  sampler.watchedBy(0);
  await clock.advance(8_000);
  expect(sampler.isRunning).toBe(true);
  await clock.advance(4_000);
  expect([sampler.isRunning, clock.pendingTimers]).toEqual([false, 0]);

  const before = frames.length;
  sampler.watchedBy(1);
  await clock.advance(0);
  expect(frames).toHaveLength(before + 1);
  await sampler.close();
  await sampler.close();
  expect(clock.pendingTimers).toBe(0);
  await peers.close();
});
