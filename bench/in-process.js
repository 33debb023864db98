// Requests to a listener without a network: over sockets the client and the system take most of the time.
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

/** `GET /`; settles when the response is written. */
export function serve(listener) {
  return new Promise((resolve) => {
    const socket = new Nowhere();
    const req = Object.assign(new IncomingMessage(socket), { method: 'GET', url: '/', httpVersionMajor: 1 });
    req.httpVersionMinor = 1;
    req.headers = { host: 'localhost' };
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    res.on('finish', () => {
      res.detachSocket(socket);
      res.emit('close'); // as the server does
      resolve();
    });
    listener(req, res);
  });
}
