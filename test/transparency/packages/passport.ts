/** passport with passport-local and strategies of its own: signing in and out, redirects, challenges, failures. */
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express';
import { form, load, underExpress, type PackageSuite } from './suite.js';

interface User {
  readonly id: number;
  readonly name: string;
}

type Done = (error: unknown, user?: unknown, info?: unknown) => void;
type Outcome = (error: unknown, user: User | false, info?: { message?: string }) => void;

interface Authenticator {
  initialize(): RequestHandler;
  session(): RequestHandler;
  use(...strategy: unknown[]): void;
  authenticate(strategy: string | readonly string[], options?: object | Outcome): RequestHandler;
  serializeUser(serialize: (user: User, done: Done) => void): void;
  deserializeUser(deserialize: (id: number, done: Done) => void): void;
}

/** The methods with which a strategy ends, as passport adds them. */
interface Strategy {
  name: string;
  fail(challenge: string, status?: number): void;
  pass(): void;
  error(error: Error): void;
  success(user: User): void;
  redirect(url: string): void;
}

interface Passport {
  Passport: new () => Authenticator;
  Strategy: new () => Strategy;
}

type SignedIn = Request & {
  user?: User;
  isAuthenticated(): boolean;
  login(user: User, done: (error?: unknown) => void): void;
  logout(done: (error?: unknown) => void): void;
};

const ANN: User = { id: 1, name: 'ann' };

function verify(name: string, password: string, done: Done): void {
  if (name === 'broken') done(new Error('no database'));
  else if (name === 'ann' && password === 'right') done(null, ANN);
  else done(null, false, { message: 'wrong' });
}

const ENDINGS: Readonly<Record<string, (strategy: Strategy) => void>> = {
  challenge: (strategy) => strategy.fail('Basic realm="x"'),
  'second-challenge': (strategy) => strategy.fail('Bearer'),
  forbid: (strategy) => strategy.fail('no entry', 403),
  pass: (strategy) => strategy.pass(),
  error: (strategy) => strategy.error(new Error('strategy failed')),
  redirect: (strategy) => strategy.redirect('https://accounts.example/authorize'),
};

function authenticator({ Passport, Strategy }: Passport): Authenticator {
  const passport = new Passport();
  const { Strategy: LocalStrategy } = load<{ Strategy: new (verify: unknown) => Strategy }>('passport-local');
  passport.use(new LocalStrategy(verify));
  for (const [name, end] of Object.entries(ENDINGS)) {
    const strategy = Object.assign(new Strategy(), {
      authenticate(this: Strategy) {
        end(this);
      },
    });
    passport.use(name, strategy);
  }
  passport.serializeUser((user, done) => done(null, user.id));
  passport.deserializeUser((id, done) => done(null, id === ANN.id ? ANN : false));
  return passport;
}

const me: RequestHandler = (req, res) => {
  const { user = null } = req as unknown as SignedIn;
  res.status(user === null ? 401 : 200).json({ user, isSignedIn: (req as unknown as SignedIn).isAuthenticated() });
};

const showError: ErrorRequestHandler = (error: { status?: number; message: string }, _req, res, _next) => {
  res.status(error.status ?? 500).json({ message: error.message });
};

function define(app: Express): void {
  const session = load<(options: object) => RequestHandler>('express-session');
  let made = 0;
  const genid = (): string => `session-${++made}`;
  const passport = authenticator(load<Passport>('passport'));
  app.use(express.urlencoded({ extended: false }));
  app.use(session({ secret: 'test', resave: false, saveUninitialized: false, genid }));
  app.use(passport.initialize(), passport.session());
  app.get('/me', me);
  app.post('/login', passport.authenticate('local', { successRedirect: '/me', failureRedirect: '/login?again', failureMessage: true })); // prettier-ignore
  app.post('/api', passport.authenticate('local', { session: false }), me);
  app.post('/strict', passport.authenticate('local', { failWithError: true }), me);
  app.post('/custom', (req, res, next) => {
    const answer: Outcome = (error, user, info) => {
      if (error !== null) return next(error);
      if (user === false) return res.status(403).json({ info: info ?? null });
      (req as unknown as SignedIn).login(user, (failed) => (failed === undefined ? me(req, res, next) : next(failed)));
    };
    (passport.authenticate('local', answer) as (...args: unknown[]) => void)(req, res, next);
  });
  app.post('/logout', (req, res, next) =>
    (req as unknown as SignedIn).logout((error) => (error === undefined ? res.redirect('/') : next(error))),
  );
  for (const name of Object.keys(ENDINGS)) app.get(`/${name}`, passport.authenticate(name, { session: false }), me);
  app.get('/several', passport.authenticate(['challenge', 'second-challenge'], { session: false }), me);
  app.use(showError);
}

const right = form('username=ann&password=right');
const wrong = form('username=ann&password=wrong');
const failing = form('username=broken&password=x');
const post = { method: 'POST' } as const;

export const passport: PackageSuite = {
  packages: ['passport', 'passport-local', 'express-session'],
  builds: underExpress(define),
  steps: [
    { name: 'nobody', target: '/me', status: 401, shows: /"isSignedIn":false/ },
    { name: 'a wrong password', ...post, target: '/login', ...wrong, status: 302, shows: /Location: \/login\?again/ },
    { name: 'no credentials', ...post, target: '/api', ...form(''), status: 400, shows: /Bad Request/ },
    { name: 'a wrong password without a session', ...post, target: '/api', ...wrong, status: 401, shows: /Unauthorized/ },
    { name: 'the right password without a session', ...post, target: '/api', ...right, status: 200, shows: /"name":"ann"/ },
    { name: 'still nobody', target: '/me', status: 401 },
    { name: 'the right password', ...post, target: '/login', ...right, status: 302, shows: /Location: \/me[^]*Set-Cookie|Set-Cookie[^]*Location: \/me/ },
    { name: 'signed in', target: '/me', status: 200, shows: /"name":"ann"[^]*"isSignedIn":true/ },
    { name: 'another client', target: '/me', fields: ['Cookie: theme=dark'], status: 401 },
    { name: 'signed out', ...post, target: '/logout', body: '', status: 302, shows: /Location: \// },
    { name: 'nobody again', target: '/me', status: 401 },
    { name: 'a failure as an error', ...post, target: '/strict', ...wrong, status: 401, shows: /"message":"Unauthorized"/ },
    { name: 'a database that fails', ...post, target: '/login', ...failing, status: 500, shows: /no database/ },
    { name: 'a callback with a wrong password', ...post, target: '/custom', ...wrong, status: 403, shows: /"message":"wrong"/ },
    { name: 'a callback that signs in', ...post, target: '/custom', ...right, status: 200, shows: /"isSignedIn":true/ },
    { name: 'signed in by the callback', target: '/me', status: 200, shows: /"name":"ann"/ },
    { name: 'a challenge', target: '/challenge', status: 401, shows: /WWW-Authenticate: Basic realm="x"/ },
    { name: 'two challenges', target: '/several', status: 401, shows: /WWW-Authenticate: Basic realm="x"\nWWW-Authenticate: Bearer/ },
    { name: 'a status of its own', target: '/forbid', status: 403, shows: /Forbidden/ },
    { name: 'passed on', target: '/pass', status: 200, shows: /"name":"ann"/ },
    { name: 'a strategy that fails', target: '/error', status: 500, shows: /strategy failed/ },
    { name: 'a redirect to a provider', target: '/redirect', status: 302, shows: /Location: https:\/\/accounts\.example\/authorize/ },
    { name: 'credentials in a field', target: '/me', fields: ['Authorization: Bearer abc'], status: 200 },
  ], // prettier-ignore
};
