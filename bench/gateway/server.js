// One gateway, named by the first argument, in front of the origin on the port that the second one names. The third is the number of
// requests that a client may send each second.
const [name, port, limit] = process.argv.slice(2);

// OpenTelemetry watches what is loaded after it.
if (name.includes('OpenTelemetry')) {
  const { tracers } = await import('../tracing/tracers.js');
  await tracers['OpenTelemetry, 10 %']();
}
const { listen } = await import('../harness.js');
const { stacks } = await import('./stacks.js');
const server = await stacks[name](`http://127.0.0.1:${port}`, Number(limit));
// A client that is stopped between two slices uses its connections again.
server.keepAliveTimeout = 600_000;
let requests = 0;
server.on('request', () => (requests += 1));
listen(server, { progress: () => ({ requests, cpu: process.cpuUsage(), at: performance.now() }) });
