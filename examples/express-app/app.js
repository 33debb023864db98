import express from 'express';
import session from 'express-session';
import multer from 'multer';
import { WebSocketServer } from 'ws';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

const app = express();
const health = healthEndpoints();
app.set('view engine', 'ejs').set('views', new URL('views', import.meta.url).pathname);
app.use(trace({ serviceName: 'shop' }), health, rateLimit({ rateLimit: 100, refillRate: 10 }), cacheResponse());
app.use(session({ secret: process.env.SESSION_SECRET ?? 'change me', resave: false, saveUninitialized: false }));

// The page depends on the session, and says nothing of caching: it is not shared.
app.get('/', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.render('home', { visits: req.session.visits });
});

// For everybody, for a minute: the second request is a hit in Cache-Status.
app.get('/products', (_req, res) => {
  res.set('Cache-Control', 'public, max-age=60').json([{ name: 'boots', price: 90 }]);
});

const upload = multer({ storage: multer.memoryStorage(), limits: { fileSize: 1_000_000 } });
app.post('/upload', upload.single('file'), (req, res) => res.json({ bytes: req.file.size }));

// Events pass the cache as they are written.
app.get('/events', (req, res) => {
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  const timer = setInterval(() => res.write(`data: ${new Date().toISOString()}\n\n`), 1000);
  res.write('data: connected\n\n');
  req.once('close', () => clearInterval(timer));
});

const server = app.listen(process.env.PORT ?? 3000);
new WebSocketServer({ server, path: '/chat' }).on('connection', (socket) => {
  socket.on('message', (text) => socket.send(`you said: ${text}`));
});
process.on('SIGTERM', () => health.shutdown(server));
