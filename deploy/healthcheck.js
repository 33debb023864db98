// Exits with 0 when the server on that port of this container is ready, for Docker's HEALTHCHECK.
const { ok } = await fetch(`http://127.0.0.1:${process.argv[2]}/readyz`, { signal: AbortSignal.timeout(2500) });
process.exit(ok ? 0 : 1);
