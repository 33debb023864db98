/**
 * Cancels the running statement of a PostgreSQL session by the protocol (PostgreSQL documentation, 53.2.8). It opens a
 * connection that sends only the session's number and secret. This connection does not log in and is not a session, so
 * it counts against no maximum.
 */
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Client } from 'pg';

/** The properties of a `pg` session that its types lack. */
interface SessionKey {
  readonly host?: string;
  readonly port?: number;
  readonly ssl?: boolean | ConnectionOptions;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
  readonly connection?: { readonly stream?: Socket };
}

const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
const TIMEOUT = 2_000;

function message(...numbers: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * (numbers.length + 1));
  [buffer.length, ...numbers].forEach((number, i) => buffer.writeInt32BE(number, 4 * i));
  return buffer;
}

/** To the address the session is at: its name may stand for another server by now. */
function open({ host = '127.0.0.1', port = 5432, connection }: SessionKey): Socket {
  if (host.startsWith('/')) return connectSocket(`${host}/.s.PGSQL.${port}`);
  return connectSocket(port, connection?.stream?.remoteAddress ?? host);
}

/** As `pg` connects itself, so that the server is verified in the same way. TLS has no server name that is an address. */
function tlsOptions({ ssl, host }: SessionKey, socket: Socket): ConnectionOptions {
  const name = host !== undefined && isIP(host) === 0 ? { servername: host } : {};
  return { ...name, ...(typeof ssl === 'object' && ssl), socket };
}

/**
 * Asks the server to stop what the session runs.
 *
 * @returns whether the server was reached; by then it has sent its signal to the session
 */
export function cancelStatement(client: Client): Promise<boolean> {
  const key = client as unknown as SessionKey;
  const { processID, secretKey, ssl } = key;
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return Promise.resolve(false);
  const cancel = message(CANCEL_REQUEST, processID, secretKey);
  return new Promise((resolve) => {
    const socket = open(key);
    let isSent = false;
    const send = (channel: Socket): void => {
      isSent = true;
      channel.write(cancel);
      channel.resume(); // the server answers by closing
    };
    const sendEncrypted = (answer: Buffer): void => {
      if (answer[0] !== 'S'.charCodeAt(0)) return void socket.destroy();
      const channel = connectTls(tlsOptions(key, socket), () => send(channel));
      channel.on('error', () => socket.destroy());
      channel.on('close', () => socket.destroy());
    };
    socket.setTimeout(TIMEOUT, () => socket.destroy());
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => resolve(isSent));
    socket.on('connect', () => {
      if (!ssl) return send(socket);
      socket.once('data', sendEncrypted);
      socket.write(message(SSL_REQUEST));
    });
  });
}
