// One gateway, named by the first argument, in front of the origin on the port that the second one names.
const [name, port] = process.argv.slice(2);

// OpenTelemetry watches what is loaded after it.
if (name.includes('OpenTelemetry')) {
  const { tracers } = await import('../tracing/tracers.js');
  await tracers['OpenTelemetry, 10 %']();
}
const { listen } = await import('../harness.js');
const { stacks } = await import('./stacks.js');
listen(await stacks[name](`http://127.0.0.1:${port}`));
