// What answering from the response cache is to reach, over sockets and without.
export const httpTargets = [
  { name: 'Express, ours', of: 'Express, raw buffer', least: 0.95 },
  { name: 'compose, ours', of: 'Express, bare handler', least: 3 },
];
