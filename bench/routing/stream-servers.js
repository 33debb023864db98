// The two servers of `streams.js`; each runs in its own process. An `origin` sends and receives as many bytes as a
// request specifies. The `proxy PORT` forwards to it, and reports its memory on request.
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

/** One event whose data is the time it was sent, in milliseconds of this machine's clock. */
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
