import { requireNodeSockets } from '../../src/middleware/runtime.js';

test('Bun is rejected by name when a proxy is created, Node and Deno are not', () => {
  expect(() => requireNodeSockets('proxyBalanced', { node: '24.3.0', bun: '1.4.0' })).toThrow(
    /proxyBalanced does not run on Bun 1\.4\.0/,
  );
  requireNodeSockets('proxyBalanced', { node: '24.3.0', deno: '2.5.0' });
  requireNodeSockets('proxyBalanced');
});
