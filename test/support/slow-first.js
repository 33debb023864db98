// Starts first what takes longest: a slow suite that begins last leaves all processors but one with nothing to do. Jest
// orders by size where it has not seen a suite run, as on a fresh machine.
import { default as sequencer } from '@jest/test-sequencer';

const SLOW = ['/servers/on-postgres', '/browser/', '/integration/', '/servers/orchestrator-server', '/simulation/'];

const TestSequencer = sequencer.default ?? sequencer;

export default class SlowFirst extends TestSequencer {
  sort(tests) {
    const rank = ({ path }) => (SLOW.some((part) => path.includes(part)) ? 0 : 1);
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
