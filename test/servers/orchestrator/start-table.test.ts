import type { InstanceRecord } from '../../../servers/orchestrator/fleet-runner.js';
import { LogView, readable } from '../../../servers/orchestrator/log-view.js';
import { formatTable, StartTable } from '../../../servers/orchestrator/start-table.js';

const WEB: InstanceRecord = {
  service: 'web',
  id: 'web-1',
  host: '127.0.0.1',
  port: 3000,
  state: 'ready',
  pid: 42,
  restarts: 0,
  readyAfterMs: 412,
  reason: null,
};
const TRAINING: InstanceRecord = {
  ...WEB,
  service: 'training',
  id: 'training-1',
  port: 3001,
  state: 'failed',
  pid: null,
  readyAfterMs: null,
  reason: 'port 3001 is taken',
};

class Paper {
  text = '';
  constructor(readonly isTTY = false) {}
  write(text: string): void {
    this.text += text;
  }
}

test('the table has a row per instance, with its URL, process, state and time', () => {
  expect(formatTable([WEB, TRAINING])).toBe(
    [
      '  SERVICE   URL                    PID  STATE   READY IN  PURPOSE',
      '  web       http://127.0.0.1:3000  42   ready   0.41 s    gateway to the others, and the pages',
      '  training  http://127.0.0.1:3001       failed            port 3001 is taken',
      '',
    ].join('\n'),
  );
});

test('on a terminal the table is redrawn in place', () => {
  const paper = new Paper(true);
  const table = new StartTable(paper);
  table.update([{ ...WEB, state: 'starting', pid: null, readyAfterMs: null }]);
  table.update([WEB]);
  expect(paper.text.split('\u001b[2A\u001b[J')).toHaveLength(2);
});

test('without a terminal each change is printed once, on a line', () => {
  const paper = new Paper();
  const table = new StartTable(paper);
  table.update([WEB]);
  table.update([WEB, TRAINING]);
  expect(paper.text).toBe(
    '  web-1 ready at http://127.0.0.1:3000 after 0.41 s\n  training-1 failed: port 3001 is taken\n',
  );
});

test('the last lines say what to do next, unless a service failed', () => {
  const good = new Paper();
  new StartTable(good).finish([WEB], 900);
  expect(good.text).toContain('Ready in 0.90 s. Open http://127.0.0.1:3000/');
  const bad = new Paper();
  new StartTable(bad).finish([WEB, TRAINING], 900);
  expect(bad.text).not.toContain('Ready in');
});

describe('log lines', () => {
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-01-31T12:30:01.123Z',
    service: 'web',
    msg: 'slow',
    route: '/api/:id',
    traceId: 'abc',
  });

  test('are readable at a terminal', () => {
    expect(readable(line, 'web-1')).toBe('12:30:01 web-1           WARN slow route=/api/:id traceId=abc');
  });

  test('never carry control characters to the terminal', () => {
    expect(readable(JSON.stringify({ level: 'info', msg: 'a\u001b[2Jb\u0007' }), 'web-1')).toMatch(/a \[2Jb $/);
    expect(readable('not \u001b[31mjson', 'web-1')).toBe(`         web-1           not  [31mjson`);
  });

  test.each(['null', '17', '"text"'])('%s is not a log entry and is printed unchanged', (text) => {
    expect(readable(text, 'web-1')).toContain(text);
  });

  test('are printed unchanged without a terminal, and are held back until released', () => {
    const paper = new Paper();
    const view = new LogView(paper);
    view.line(line, { id: 'web-1' });
    expect(paper.text).toBe('');
    view.release();
    view.line('second', { id: 'web-1' });
    expect(paper.text).toBe(`${line}\nsecond\n`);
  });
});
