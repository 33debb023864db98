// The two ends of `streams.js` in processes of their own: `origin` answers and takes as much as it is asked to, `proxy PORT`
// is the proxy in front of it and tells its memory when asked.
import { compose, proxyBalanced } from '@tooloo/resilience';
import { createServer } from 'node:http';

const [role, port] = process.argv.slice(2);
const CHUNK = Buffer.alloc(65_536, 'x');

/** Writes so many bytes, as fast as they are taken. */
function answerWith(res, size) {
  let left = size;
  res.setHeader('Content-Length', size);
  const more = () => {
    while (left > 0) {
      const piece = left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left);
      left -= piece.length;
      if (!res.write(piece)) return res.once('drain', more);
    }
    res.end();
  };
  more();
}

function takeAll(req, res) {
  let received = 0;
  req.on('data', (chunk) => (received += chunk.length));
  req.once('end', () => res.end(String(received)));
}

/** One event, in the moment it writes down (milliseconds of this machine's clock). */
function stream(res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream' });
  res.flushHeaders();
  setTimeout(() => res.write(`data: ${performance.timeOrigin + performance.now()}\n\n`), 20);
}

const origin = (req, res) => {
  if (req.url === '/events') stream(res);
  else if (req.method === 'POST') takeAll(req, res);
  else answerWith(res, Number(req.url.slice(1)));
};

const listener = role === 'origin' ? origin : compose(proxyBalanced({ targets: [`http://127.0.0.1:${port}`] }));
const server = createServer({ requestTimeout: 0 }, listener);
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('message', () => process.send(process.memoryUsage().rss));
process.once('disconnect', () => process.exit());
