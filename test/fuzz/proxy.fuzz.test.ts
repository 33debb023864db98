/**
 * The proxy between clients and instances that both behave at random, over raw sockets. The process survives. No client
 * reads another client's answer, or takes a torn answer for a whole one. No instance sees a request that no client
 * sent, or more copies of one than the rules allow. Afterwards nothing is left over, and an honest request is served.
 */
import { fuzz } from './harness.js';
import { scripts } from './proxy-grammar.js';
import { play } from './proxy-world.js';

fuzz(
  'proxy',
  [
    {
      title: 'under any behaviour of clients and instances, each request is served or refused on its own',
      arbitrary: scripts(['http1', 'http1', 'http1', 'http2'], 'http1'),
      check: play,
    },
  ],
  0.55,
);
