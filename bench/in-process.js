// Requests to a listener without a network: over sockets the client and the system take most of the time.
import { channel } from 'node:diagnostics_channel';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';

/** A socket that swallows what is written. */
class Nowhere extends Duplex {
  remoteAddress = '127.0.0.1';
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
  _writev(_chunks, done) {
    done();
  }
}

/** One connection, kept alive. */
const socket = new Nowhere();
const finished = channel('http.server.response.finish');

/**
 * Sends `GET /`. Settles when the response is written, after publishing it on the same channel as Node's server does.
 */
export function serve(listener) {
  return new Promise((resolve) => {
    const req = Object.assign(new IncomingMessage(socket), { method: 'GET', url: '/', httpVersionMajor: 1 });
    req.httpVersionMinor = 1;
    req.headers = { host: 'localhost' };
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    res.on('finish', () => {
      if (finished.hasSubscribers) finished.publish({ request: req, response: res, socket });
      res.detachSocket(socket);
      res.emit('close');
      resolve();
    });
    listener(req, res);
  });
}
