// Keeps connections to one server open, and sends requests on them at a fixed rate, even if earlier ones are
// unanswered.
import { once } from 'node:events';
import { connect } from 'node:net';

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** The body of each answer, and how it is counted. */
const ANSWER = '{"ok":true}';
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
    const answered = once(socket, 'data');
    this.#send(socket, performance.now());
    await answered;
  }

  #send(socket, due) {
    this.#due.get(socket).push(due);
    socket.write(REQUEST);
  }

  #take(socket, text) {
    const now = performance.now();
    for (let i = text.split(ANSWER).length - 1; i > 0; i--) this.#latencies.push(now - this.#due.get(socket).shift());
    this.#wake();
  }
}
