// Keeps connections to one server open, and sends requests on them at a fixed rate. While all of them are in use, a request that is due
// waits for the first one that is free, as in a client that has a pool. Its time counts from when it was due.
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
  /** Those that have answered, the one that has been free for longest first. */
  #free = [];
  /** When the requests were due that wait for a free socket. */
  #waiting = [];
  /** For each socket that has not answered, when its request was due. */
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
      for (; sent < due; sent++) this.#ask(began + (1000 * sent) / rate);
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
    while (this.#free.length > 0) this.#ask(began);
    while (performance.now() - began < seconds * 1000) await this.#answered();
    this.#isFlooding = false;
    const rate = (1000 * this.#latencies.length) / (performance.now() - began);
    while (this.#due.size > 0) await this.#answered();
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
    socket.on('error', (error) => this.#wake(error));
    socket.on('data', (text) => this.#take(socket, text));
    this.#send(socket, performance.now());
    while (this.#due.has(socket)) await once(socket, 'data');
  }

  #ask(due) {
    const socket = this.#free.shift();
    if (socket === undefined) this.#waiting.push(due);
    else this.#send(socket, due);
  }

  #send(socket, due) {
    this.#due.set(socket, due);
    socket.write(REQUEST);
  }

  #take(socket, text) {
    const now = performance.now();
    const received = (this.#rest.get(socket) ?? '') + text;
    let read = 0;
    for (const { index, 0: line, 1: kind } of received.matchAll(STATUS_LINE)) {
      if (kind !== '2') this.failed++;
      this.#latencies.push(now - this.#due.get(socket));
      this.#due.delete(socket);
      read = index + line.length;
      this.#goOn(socket, now);
    }
    this.#rest.set(socket, received.slice(Math.max(read, received.length - LONGEST_PART)));
    this.#wake();
  }

  #goOn(socket, now) {
    const due = this.#isFlooding ? now : this.#waiting.shift();
    if (due === undefined) this.#free.push(socket);
    else this.#send(socket, due);
  }
}
