/**
 * The proxy in front of instances that speak HTTP/2 and answer frame by frame as they like: what holds of HTTP/1 holds
 * here, and an answer is whole only where its instance ended it.
 */
import { fuzz } from './harness.js';
import { scripts } from './proxy-grammar.js';
import { play } from './proxy-world.js';

fuzz(
  'proxy',
  [
    {
      title: 'under any behaviour of instances over HTTP/2, each request is served or refused on its own',
      arbitrary: scripts(['http1', 'http2'], 'http2'),
      check: play,
    },
  ],
  0.35,
);
