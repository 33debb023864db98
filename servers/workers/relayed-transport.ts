/**
 * Messages between caches for a server with workers. For the other services it is one peer: one worker receives their
 * messages, and answers once all workers have applied them. Messages that a worker publishes reach the others without HTTP.
 */
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  HttpTransport,
  refuseControl,
  ResilienceError,
  sendError,
  type CoordinationMessage,
  type CoordinationReceiver,
  type CoordinatorTransport,
  type HttpTransportOptions,
  type Middleware,
} from '../../src/index.js';
import { pathOf } from '../support/request-path.js';
import type { WorkerGroup } from './worker-group.js';

const TOPIC = 'invalidations';
const PATH = '/cache-coordination';

export function relayedTransport(workers: WorkerGroup, options: HttpTransportOptions): CoordinatorTransport {
  const http = new HttpTransport({ ...options, path: PATH });

  function start(receiver: CoordinationReceiver): void {
    workers.on(TOPIC, (messages) => receiver.receive(messages as readonly CoordinationMessage[]));
    http.start({
      serviceId: receiver.serviceId,
      // A failure of either is answered with an error, and the sender repeats the messages.
      receive: async (messages) => void (await Promise.all([receiver.receive(messages), workers.ask(TOPIC, messages)])),
      delivered: (peer, messages) => receiver.delivered?.(peer, messages),
      compare: (question) => receiver.compare(question),
      everything: () => receiver.everything(),
    });
  }

  /** Senders expect one receiver, which knows the sequence of their messages. */
  const router: Middleware = (req, res, next) => {
    const leader = workers.members[0];
    const isElsewhere = workers.isPublic(req) && pathOf(req).startsWith(`${PATH}/`) && !workers.isLeader;
    if (!isElsewhere || leader === undefined) return http.router(req, res, next);
    // Without a secret the leader trusts this machine, from which it gets this request.
    if (options.secret === undefined && refuseControl(req, undefined, options.control) !== undefined)
      return sendError(
        req,
        res,
        new ResilienceError('CONTROL_FORBIDDEN', 'cache coordination: open to this machine only'),
      );
    passOn(req, res, leader.port);
  };

  return {
    router,
    start,
    addPeer: (id, host, port) => http.addPeer(id, host, port),
    removePeer: (id) => http.removePeer(id),
    send(messages, peer) {
      http.send(messages, peer);
      if (peer === undefined) workers.tell(TOPIC, messages);
    },
    get pending() {
      return http.pending;
    },
    status: () => http.status(),
    exchange: (peer, question) => http.exchange(peer, question),
    flush: () => http.flush(),
    close: () => http.close(),
  };
}

function passOn(req: IncomingMessage, res: ServerResponse, port: number): void {
  const { method, url, headers } = req;
  const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  onward.on('error', () => {
    if (!res.headersSent)
      sendError(req, res, new ResilienceError('UPSTREAM_REFUSED', 'the first worker does not answer'));
    else res.destroy();
  });
  res.on('close', () => onward.destroy());
  req.pipe(onward);
}
