// Keeps connections to one server open, and sends requests on them at a fixed rate, even if earlier ones are
// unanswered.
import { once } from 'node:events';
import { connect } from 'node:net';

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** The start of each answer, by which it is counted. */
const STATUS_LINE = /HTTP\/1\.1 (\d)\d\d /g;
const LONGEST_PART = 'HTTP/1.1 200'.length;
const AT_ONCE = 200;

/** Open files that the system grants this process. */
export function mostFiles() {
  const { soft } = process.report.getReport().userLimits.open_files;
  return soft === 'unlimited' ? Infinity : Number(soft);
}

export class OpenConnections {
  #sockets = [];
  /** For each socket, when what it has not answered was due. */
  #due = new Map();
  #latencies = [];
  /** For each socket, the end of what came last, in which a status line may begin. */
  #rest = new Map();
  #isFlooding = false;
  /** Answers that were no success. */
  failed = 0;

  /** @param count how many; opened some hundred at a time, each of which has answered once */
  static async open(port, count) {
    const connections = new OpenConnections();
    while (connections.#sockets.length < count) {
      const some = Math.min(AT_ONCE, count - connections.#sockets.length);
      await Promise.all(Array.from({ length: some }, () => connections.#add(port)));
    }
    return connections;
  }

  /** Milliseconds that each request took from when it was due. */
  async requests(rate, seconds) {
    this.#latencies = [];
    const total = rate * seconds;
    const began = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.min(total, ((performance.now() - began) / 1000) * rate);
      for (; sent < due; sent++) this.#send(this.#sockets[sent % this.#sockets.length], began + (1000 * sent) / rate);
    }, 1);
    while (this.#latencies.length < total) await this.#answered();
    clearInterval(timer);
    return this.#latencies;
  }

  /** Answers a second while each connection has one open request at all times. */
  async most(seconds) {
    this.#latencies = [];
    const began = performance.now();
    this.#isFlooding = true;
    for (const socket of this.#sockets) this.#send(socket, began);
    while (performance.now() - began < seconds * 1000) await this.#answered();
    this.#isFlooding = false;
    const rate = (1000 * this.#latencies.length) / (performance.now() - began);
    while (this.#sockets.some((socket) => this.#due.get(socket).length > 0)) await this.#answered();
    return rate;
  }

  /** At once, so that no port of this machine stays taken for a minute. */
  close() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #wake = () => undefined;
  #answered() {
    return new Promise((resolve, reject) => {
      this.#wake = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  async #add(port) {
    const socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
    await once(socket, 'connect');
    this.#sockets.push(socket);
    this.#due.set(socket, []);
    socket.on('error', (error) => this.#wake(error));
    socket.on('data', (text) => this.#take(socket, text));
    this.#send(socket, performance.now());
    while (this.#due.get(socket).length > 0) await once(socket, 'data');
  }

  #send(socket, due) {
    this.#due.get(socket).push(due);
    socket.write(REQUEST);
  }

  #take(socket, text) {
    const now = performance.now();
    const received = (this.#rest.get(socket) ?? '') + text;
    let read = 0;
    for (const { index, 0: line, 1: kind } of received.matchAll(STATUS_LINE)) {
      if (kind !== '2') this.failed++;
      this.#latencies.push(now - this.#due.get(socket).shift());
      read = index + line.length;
      if (this.#isFlooding) this.#send(socket, now);
    }
    this.#rest.set(socket, received.slice(Math.max(read, received.length - LONGEST_PART)));
    this.#wake();
  }
}
