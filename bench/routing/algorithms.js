// The algorithms of LoadBalancer that are compared.
export const ALGORITHMS = ['round-robin', 'least-connections', 'weighted', 'ip-hash', 'p2c-ewma', 'consistent-hash'];

/** Requests under way while the next one is given to an instance. */
export const IN_FLIGHT = 200;
