/** Real servers on free ports for proxy tests, and sockets that speak to them byte by byte. */
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import type { Middleware } from '../../src/shared/http.js';

export interface Rig {
  /** An origin that answers through this listener; its URL. */
  origin(listener: RequestListener): Promise<string>;
  /** An origin that treats each connection as it likes; its URL. */
  rawOrigin(onConnection: (socket: Socket) => void): Promise<string>;
  /** A server with this middleware; its port. */
  serve(middleware: Middleware & { close?(): Promise<void> | void }): Promise<number>;
  /** As `serve`, with the server itself. */
  serveWith(server: Server): Promise<number>;
  /** Closes all of it. */
  close(): Promise<void>;
}

export function createRig(): Rig {
  const servers: Array<Server | TcpServer> = [];
  const sockets = new Set<Socket>();
  const closers: Array<() => Promise<void> | void> = [];
  const listen = async (server: Server | TcpServer): Promise<number> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  return {
    origin: async (listener) => `http://127.0.0.1:${await listen(createServer(listener))}`,
    rawOrigin: async (onConnection) => `http://127.0.0.1:${await listen(createTcpServer(onConnection))}`,
    serve: (middleware) => {
      closers.push(() => middleware.close?.());
      return listen(
        createServer((req, res) => {
          middleware(req, res, (error) => {
            res.statusCode = error === undefined ? 404 : 500;
            res.end();
          });
        }),
      );
    },
    serveWith: (server) => listen(server),
    close: async () => {
      for (const close of closers) await close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly trailers: IncomingMessage['trailers'];
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own. */
export function ask(port: number, { method = 'GET', path = '/', headers = {}, body }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.once('error', reject);
      res.once('end', () => {
        const { statusCode = 0, headers: fields, trailers } = res;
        resolve({ status: statusCode, headers: fields, trailers, body: Buffer.concat(chunks).toString() });
      });
    });
    req.once('error', reject);
    req.end(body);
  });
}

/** Writes bytes and gathers the reply until the other side closes, or `until` is satisfied. */
export function exchangeBytes(
  port: number,
  bytes: string | Buffer,
  until: (received: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (until(received)) socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve(received);
      else reject(error);
    });
    socket.once('close', () => resolve(received));
  });
}

/** Reads a request's body. */
export async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
