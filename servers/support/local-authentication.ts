/** With `CONTROL=loopback`, adds the token to direct requests from programs on this machine that did not send one. */
import { refuseControl, type Middleware } from '../../src/index.js';

export function authenticateLocal(token: string): Middleware {
  return function authenticate(req, _res, next) {
    const { authorization, 'x-control-token': given } = req.headers;
    if (authorization === undefined && given === undefined && refuseControl(req, undefined, 'loopback') === undefined)
      req.headers['x-control-token'] = token;
    next();
  };
}
