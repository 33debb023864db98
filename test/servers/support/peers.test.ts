import { readConfig } from '../../../servers/support/config.js';
import { openPeers, type Peers } from '../../../servers/support/peers.js';

let peers: Peers;
afterEach(() => peers.close());

const targetsOf = (service: string): string[] =>
  peers.router.getHealthyTargets(service).map(({ host, port }) => `${host}:${port}`);

test('without an orchestrator each service is on its own port of one host', () => {
  peers = openPeers({
    config: readConfig({ PEER_HOST: '10.1.2.3', META_PORT: '4002', COACH_PORT: '0' }),
    overrides: {},
  });
  expect(targetsOf('training')).toEqual(['10.1.2.3:3001']);
  expect(targetsOf('meta')).toEqual(['10.1.2.3:4002']);
  expect(targetsOf('coach')).toEqual([]);
});

test('or at every address of a name of its own', async () => {
  const addresses: Record<string, string[]> = {
    'fleet-training': ['10.1.2.3', '10.1.2.4'],
    'fleet-meta': ['10.1.2.5'],
  };
  const asked: string[] = [];
  peers = openPeers({
    config: readConfig({ PEER_HOST: 'fleet-{service}' }),
    overrides: { budget: 'http://127.0.0.1:9' },
    resolve: (host) => {
      asked.push(host);
      return Promise.resolve((addresses[host] ?? []).map((address) => ({ host: address })));
    },
  });
  await new Promise(setImmediate);
  expect(targetsOf('training')).toEqual(['10.1.2.3:3001', '10.1.2.4:3001']);
  expect(targetsOf('meta')).toEqual(['10.1.2.5:3002']);
  expect(targetsOf('reports')).toEqual([]);
  expect(targetsOf('budget')).toEqual(['127.0.0.1:9']);
  expect(asked).not.toContain('fleet-budget');
});
