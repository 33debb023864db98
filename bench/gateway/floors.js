// The floors of a gateway in Node: its sockets alone, and its HTTP server alone.
import { connect, createServer as createSocketServer } from 'node:net';
import { createServer } from 'node:http';
import { ANSWER } from '../routing/answer.js';

const END_OF_HEAD = '\r\n\r\n';

/**
 * Passes bytes on between each client and a connection to the origin of its own. It finds the ends of the heads, as a proxy at least has
 * to, and reads nothing else. Requests must not have content.
 */
export function relay(origin) {
  const { hostname, port } = new URL(origin);
  const server = createSocketServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    let rest = '';
    client.on('data', (bytes) => {
      const text = rest + bytes.latin1Slice();
      let from = 0;
      for (let end; (end = text.indexOf(END_OF_HEAD, from)) !== -1; from = end + END_OF_HEAD.length)
        server.emit('request');
      rest = text.slice(from);
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => client.write(bytes));
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('close', end).on('error', end);
  });
  return server;
}

/** Answers by itself what the origin would answer. */
export const answering = () =>
  createServer((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length });
    res.end(ANSWER);
  });
