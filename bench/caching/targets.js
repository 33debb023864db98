// Targets for answers from the response cache, over sockets and without them.
export const httpTargets = [
  { name: 'Express, ours', of: 'Express, raw buffer', least: 0.95 },
  { name: 'compose, ours', of: 'Express, bare handler', least: 3 },
];
