/**
 * An application as people write it: login with sessions, pages, static files, uploads, an API, events and a WebSocket. It
 * says in each private answer whose it is. Nothing in it knows of this package; `before` is mounted in front.
 */
import type express from 'express';
import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';

export type Framework = typeof express;

export interface NotesApp {
  readonly app: express.Application;
  /** Serves the WebSocket of the application. */
  attach(server: Server): void;
}

interface Note {
  readonly id: string;
  readonly owner: string;
  readonly at: Date;
  text: string;
}

export const PASSWORDS: Readonly<Record<string, string>> = { ada: 'pw1', bob: 'pw2', eve: 'pw3' };

/** The tokens of programs, which log in by `Authorization`. */
export const TOKENS: Readonly<Record<string, string>> = { 'token-ada': 'ada', 'token-bob': 'bob', 'token-eve': 'eve' };

const OWN = 'private to';

type Request = express.Request & { user?: string };
type Handler = (req: Request, res: express.Response, next: express.NextFunction) => unknown;

const sessions = new Map<string, string>();

function cookieOf(req: express.Request, name: string): string | undefined {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([key]) => key === name)?.[1];
}

/** The user of the request, by session or by token. A session that is used is renewed, as express-session does with `rolling`. */
const identify: Handler = (req, res, next) => {
  const id = cookieOf(req, 'sid');
  const token = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1];
  req.user = sessions.get(id ?? '') ?? TOKENS[token ?? ''];
  if (req.user !== undefined && id !== undefined && req.query['renew'] !== undefined)
    res.cookie('sid', id, { httpOnly: true });
  next();
};

const signedIn: Handler = (req, res, next) => (req.user === undefined ? res.redirect(302, '/login') : next());
const authorized: Handler = (req, res, next) =>
  req.user === undefined ? res.status(401).json({ error: 'log in first' }) : next();

function addLogin(app: express.Application): void {
  app.get('/login', (_req, res) => void res.send('<form method="post">name, password</form>'));
  app.post('/login', (req, res) => {
    const { name = '', pass } = req.body as { name?: string; pass?: string };
    if (PASSWORDS[name] === undefined || PASSWORDS[name] !== pass) return void res.status(401).send('wrong password');
    const id = randomUUID();
    sessions.set(id, name);
    res.cookie('sid', id, { httpOnly: true, sameSite: 'lax' }).redirect(302, '/account');
  });
  app.post('/logout', (req, res) => {
    sessions.delete(cookieOf(req, 'sid') ?? '');
    res.clearCookie('sid').redirect(302, '/');
  });
}

/** Private pages with every kind of freshness that people write, and with none. */
function addPages(app: express.Application): void {
  const page = (title: string, req: Request): string => `<h1>${title}</h1><p>${OWN} ${req.user}</p>`;
  const send = (path: string, fields: Readonly<Record<string, string>>): void =>
    void app.get(path, signedIn, (req: Request, res) => void res.set(fields).send(page(path, req)));
  const old = new Date('2020-01-01').toUTCString();
  send('/account', { 'Last-Modified': old });
  send('/orders', { 'Cache-Control': 'max-age=60' });
  send('/invoices', { 'Cache-Control': 'private, max-age=60' });
  send('/settings', { 'Cache-Control': 'no-store' });
  send('/messages', { Expires: new Date(Date.now() + 60_000).toUTCString() });
  send('/friends', { 'Cache-Control': 'max-age=0', ETag: '"one-for-all"' });
  send('/recent', { 'Cache-Control': 'max-age=1, stale-while-revalidate=60', Vary: 'Accept-Language' });
  app.get(
    '/',
    (req: Request, res) => void res.send(req.user === undefined ? 'hello stranger' : `hello, ${OWN} ${req.user}`),
  );
  app.get('/price-list', (_req, res) => void res.set('Cache-Control', 'public, max-age=60').send('for everybody'));
  app.get('/basket/:item', (req: Request, res) => {
    if (req.user !== undefined) res.set('Vary', 'Cookie, Authorization');
    res
      .set('Cache-Control', 'max-age=60')
      .send(`${String(req.params['item'])} ${req.user === undefined ? '' : `${OWN} ${req.user}`}`);
  });
}

function addNotes(app: express.Application): void {
  const notes = new Map<string, Note>();
  const find = (req: Request): Note | undefined => {
    const note = notes.get(String(req.params['id']));
    return note?.owner === req.user ? note : undefined;
  };
  const show = ({ id, owner, text }: Note) => ({ id, text, whose: `${OWN} ${owner}` });
  app.use('/api', authorized);
  app.get('/api/notes', (req: Request, res) => {
    const own = [...notes.values()].filter(({ owner }) => owner === req.user).slice(-5);
    res.json({ notes: own.map(show), whose: `${OWN} ${req.user}` });
  });
  app.post('/api/notes', (req: Request, res) => {
    const { text = '' } = req.body as { text?: string };
    const note: Note = { id: randomUUID(), owner: req.user!, at: new Date(), text };
    notes.set(note.id, note);
    res.status(201).location(`/api/notes/${note.id}`).json(show(note));
  });
  app.get('/api/notes/:id', (req: Request, res) => {
    const note = find(req);
    if (note === undefined) return void res.status(404).json({ error: 'no such note' });
    res.set('Last-Modified', note.at.toUTCString()).json(show(note));
  });
  app.put('/api/notes/:id', (req: Request, res) => {
    const note = find(req);
    if (note === undefined) return void res.status(404).json({ error: 'no such note' });
    note.text = String((req.body as { text?: string }).text);
    res.json(show(note));
  });
  app.delete('/api/notes/:id', (req: Request, res) => {
    const note = find(req);
    if (note !== undefined) notes.delete(note.id);
    res.status(note === undefined ? 404 : 204).end();
  });
  app.get('/api/boom', () => {
    throw new Error('database password is hunter2');
  });
}

/** Pictures of users, each under one address for all: `sendFile` says `public, max-age=0`. */
function addUploads(app: express.Application, folder: string, raw: express.RequestHandler): void {
  app.post('/api/avatar', raw, (req: Request, res) => {
    // In one step: a file that is being sent must not be empty for a moment.
    writeFileSync(join(folder, `${req.user}.new`), req.body as Buffer);
    renameSync(join(folder, `${req.user}.new`), join(folder, req.user!));
    res.status(201).json({ whose: `${OWN} ${req.user}` });
  });
  app.get('/api/avatar', (req: Request, res, next) => {
    res.type('text/plain').sendFile(req.user!, { root: folder }, (error?: Error) => {
      if (error !== undefined && !res.headersSent) next();
    });
  });
}

function addEvents(app: express.Application): void {
  app.get('/api/events', (req: Request, res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    res.write(`data: ${OWN} ${req.user}\n\n`);
    res.end('data: over\n\n');
  });
}

function addHealth(app: express.Application): void {
  app.get('/health', (_req, res) => void res.json({ db: 'up' }));
}

/** @param folder for static files and uploads, which are removed with it */
export function createNotesApp(
  framework: Framework,
  before: readonly express.RequestHandler[],
  folder: string,
): NotesApp {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'public'), { recursive: true });
  writeFileSync(join(folder, 'public/style.css'), 'body { color: navy }');
  const app = framework();
  for (const one of before) app.use(one);
  app.use(framework.static(join(folder, 'public')));
  app.use(framework.json(), framework.urlencoded({ extended: false }), identify as express.RequestHandler);
  addLogin(app);
  addPages(app);
  addNotes(app);
  addUploads(app, folder, framework.raw({ type: () => true, limit: '1mb' }));
  addEvents(app);
  addHealth(app);
  const failed: express.ErrorRequestHandler = (_error, _req, res, _next) =>
    void res.status(500).send('something went wrong');
  app.use(failed);
  return { app, attach };
}

function attach(server: Server): void {
  const sockets = new WebSocketServer({ server, path: '/socket' });
  sockets.on('connection', (socket, req) => {
    const id = /sid=([\w-]+)/.exec(req.headers.cookie ?? '')?.[1];
    const user = sessions.get(id ?? '');
    if (user === undefined) return socket.close(4401);
    socket.on('message', (text: Buffer) => socket.send(`${String(text)}, ${OWN} ${user}`));
  });
  server.once('close', () => sockets.close());
}

/** The users whose name an answer has as its owner. */
export function ownersIn(text: string): readonly string[] {
  return [...text.matchAll(/private to (\w+)/g)].map(([, name]) => name!);
}
