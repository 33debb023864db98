// Starts first what takes longest: a slow suite that begins last leaves all processors but one with nothing to do. Jest
// orders by size where it has not seen a suite run, as on a fresh machine.
import { default as sequencer } from '@jest/test-sequencer';

// In this order, so that suites that need a processor all the time alternate with those that wait for other processes.
const SLOW = [
  '/servers/on-postgres',
  '/browser/control-room',
  '/browser/on-call',
  'documentation',
  '/servers/workers/',
  '/browser/',
  '/integration/',
  '/fuzz/',
  '/servers/top/',
  '/servers/orchestrator-server',
  '/simulation/',
  '/opentelemetry/',
  'coordination-processes',
  '/servers/',
];

const TestSequencer = sequencer.default ?? sequencer;

export default class SlowFirst extends TestSequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const found = SLOW.findIndex((part) => path.includes(part));
      return found === -1 ? SLOW.length : found;
    };
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
