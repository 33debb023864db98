/** multer: files in memory and on disk, text fields, limits, filters, and forms that are broken. */
import { mkdtemp, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorRequestHandler, Express, Request, RequestHandler } from 'express';
import { json, load, multipart, underExpress, utf8, type PackageSuite } from './suite.js';

interface File {
  readonly fieldname: string;
  readonly originalname: string;
  readonly size: number;
  readonly buffer?: Buffer;
  readonly path: string;
  readonly destination: string;
}

interface Upload {
  single(field: string): RequestHandler;
  array(field: string, most?: number): RequestHandler;
  fields(fields: readonly object[]): RequestHandler;
  none(): RequestHandler;
  any(): RequestHandler;
}

interface Multer {
  (options?: object): Upload;
  memoryStorage(): object;
  diskStorage(options: object): object;
}

type Uploaded = Request & { file?: File; files?: File[] | Record<string, File[]> };
type Done<T> = (error: Error | null, value?: T) => void;

const describeFile = ({ fieldname, originalname, size, buffer }: File): string =>
  `${fieldname}: ${originalname}, ${size} bytes, ${buffer?.toString().slice(0, 20)}`;

const report: RequestHandler = (req, res) => {
  const { file, files = {} } = req as Uploaded;
  const all = file === undefined ? Object.values(files).flat() : [file];
  res.json({ files: all.map(describeFile), body: req.body ?? null });
};

const reportDisk: RequestHandler = (req, res) => {
  const { path, destination } = (req as Uploaded).file!;
  const content = readFileSync(path, 'utf8');
  rmSync(destination, { recursive: true });
  res.send(`on disk: ${content}`);
};

const showError: ErrorRequestHandler = (error: { name: string; code?: string; message: string }, _req, res, _next) => {
  res.status(400).json({ name: error.name, code: error.code ?? null, message: error.message });
};

function fileFilter(_req: Request, { originalname }: File, done: Done<boolean>): void {
  if (originalname.endsWith('.exe')) done(new Error('no programs'));
  else done(null, originalname.endsWith('.txt'));
}

function define(app: Express): void {
  const multer = load<Multer>('multer');
  const storage = multer.memoryStorage();
  const upload = multer({ storage, limits: { fileSize: 100, files: 3, fields: 3, fieldNameSize: 20, parts: 5 } });
  const destination = (_req: Request, _file: File, done: Done<string>): void =>
    mkdtemp(join(tmpdir(), 'upload-'), (error, folder) => done(error, folder));
  const filename = (_req: Request, _file: File, done: Done<string>): void => done(null, 'upload');
  app.post('/single', upload.single('file'), report);
  app.post('/array', upload.array('files', 2), report);
  app.post('/fields', upload.fields([{ name: 'avatar', maxCount: 1 }, { name: 'gallery', maxCount: 2 }]), report); // prettier-ignore
  app.post('/none', upload.none(), report);
  app.post('/any', upload.any(), report);
  app.post('/filtered', multer({ storage, fileFilter }).single('file'), report);
  app.post('/disk', multer({ storage: multer.diskStorage({ destination, filename }) }).single('file'), reportDisk);
  app.use(showError);
}

const file = (field: string, content = 'content', fileName = 'a.txt') => ({ field, content, fileName });
const text = (field: string, content = 'text') => ({ field, content });
const broken = multipart(file('file'));

export const multer: PackageSuite = {
  packages: ['multer'],
  builds: underExpress(define),
  steps: [
    { name: 'a file', method: 'POST', target: '/single', ...multipart(file('file')), status: 200, shows: /file: a\.txt, 7 bytes, content/ },
    { name: 'a file and text', method: 'POST', target: '/single', ...multipart(text('title'), file('file')), status: 200, shows: /"title":"text"/ },
    { name: 'nested names', method: 'POST', target: '/single', ...multipart(text('a[b]'), text('a[c]'), text('list[]')), status: 200, shows: /"a":\{"b":"text","c":"text"\}/ },
    { name: 'text of many bytes', method: 'POST', target: '/single', ...multipart(text('title', utf8('für'))), status: 200, shows: /f\u00c3\u00bcr/ },
    { name: 'an empty file', method: 'POST', target: '/single', ...multipart(file('file', '')), status: 200, shows: /0 bytes/ },
    { name: 'no file', method: 'POST', target: '/single', ...multipart(), status: 200, shows: /"files":\[\]/ },
    { name: 'another body', method: 'POST', target: '/single', ...json({ a: 1 }), status: 200, shows: /"files":\[\]/ },
    { name: 'another field', method: 'POST', target: '/single', ...multipart(file('other')), status: 400, shows: /LIMIT_UNEXPECTED_FILE/ },
    { name: 'a file that is too large', method: 'POST', target: '/single', ...multipart(file('file', 'x'.repeat(101))), status: 400, shows: /LIMIT_FILE_SIZE/ },
    { name: 'a file that is far too large', method: 'POST', target: '/single', ...multipart(file('file', 'x'.repeat(500_000))), status: 400, shows: /LIMIT_FILE_SIZE/ },
    { name: 'too many fields', method: 'POST', target: '/none', ...multipart(text('a'), text('b'), text('c'), text('d')), status: 400, shows: /LIMIT_FIELD_COUNT/ },
    { name: 'a name that is too long', method: 'POST', target: '/none', ...multipart(text('x'.repeat(21))), status: 400, shows: /LIMIT_FIELD_KEY/ },
    { name: 'too many parts', method: 'POST', target: '/any', ...multipart(...['a', 'b', 'c'].map((name) => text(name)), ...['d', 'e', 'f'].map((name) => file(name))), status: 400, shows: /LIMIT_PART_COUNT/ },
    { name: 'several files', method: 'POST', target: '/array', ...multipart(file('files'), file('files', 'more', 'b.txt')), status: 200, shows: /a\.txt[^]*b\.txt/ },
    { name: 'one more than allowed', method: 'POST', target: '/array', ...multipart(file('files'), file('files'), file('files')), status: 400, shows: /LIMIT_UNEXPECTED_FILE/ },
    { name: 'fields by name', method: 'POST', target: '/fields', ...multipart(file('avatar'), file('gallery'), file('gallery')), status: 200, shows: /avatar[^]*gallery[^]*gallery/ },
    { name: 'text only', method: 'POST', target: '/none', ...multipart(text('a'), text('a')), status: 200, shows: /"a":\["text","text"\]/ },
    { name: 'a file where none is expected', method: 'POST', target: '/none', ...multipart(file('file')), status: 400, shows: /LIMIT_UNEXPECTED_FILE/ },
    { name: 'any field', method: 'POST', target: '/any', ...multipart(file('one'), file('two')), status: 200, shows: /one: a\.txt[^]*two: a\.txt/ },
    { name: 'passed by the filter', method: 'POST', target: '/filtered', ...multipart(file('file')), status: 200, shows: /a\.txt/ },
    { name: 'left out by the filter', method: 'POST', target: '/filtered', ...multipart(file('file', 'x', 'a.png')), status: 200, shows: /"files":\[\]/ },
    { name: 'refused by the filter', method: 'POST', target: '/filtered', ...multipart(file('file', 'x', 'a.exe')), status: 400, shows: /no programs/ },
    { name: 'on disk', method: 'POST', target: '/disk', ...multipart(file('file', 'kept')), status: 200, shows: /on disk: kept/ },
    { name: 'a form that is cut off', method: 'POST', target: '/single', fields: broken.fields!, body: broken.body!.slice(0, -30), status: 400, shows: /Unexpected end of form/ },
    { name: 'a form without a boundary', method: 'POST', target: '/single', fields: ['Content-Type: multipart/form-data'], body: 'x', status: 400, shows: /Boundary not found/ },
  ], // prettier-ignore
};
