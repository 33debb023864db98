// An instance of a service in a process of its own, as the kit's users write one: health endpoints, a drain on SIGTERM.
// Answers with its process id after the whole request has come; `sick` from the parent makes it answer 500.
import { compose, healthEndpoints } from '@tooloo/resilience';
import { createServer } from 'node:http';

const health = healthEndpoints();
let isSick = false;

const server = createServer(
  compose(health, (req, res) => {
    req.resume().once('end', () => {
      if (isSick) res.statusCode = 500;
      res.end(String(process.pid));
    });
  }),
);
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.send(server.address().port));
process.on('message', ({ sick }) => (isSick = sick));
process.once('disconnect', () => process.exit());
process.once('SIGTERM', async () => {
  await health.shutdown(server);
  process.exit();
});
