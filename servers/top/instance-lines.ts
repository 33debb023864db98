/** One instance as lines: its figures, its probes and the last lines of its log. */
import { bytes, count, duration, percent, rate } from '../dashboard/model/format.js';
import { stateOf } from '../dashboard/model/fleet-health.js';
import { readLogLine } from '../dashboard/model/log-line.js';
import { markOf } from '../dashboard/model/state-sign.js';
import type { FrameInstance } from '../web/fleet-sampler.js';
import type { HealthCheck, InstanceDetail } from '../web/instance-detail.js';
import { line, padded, printable, wrapped, widthOf, type Line, type Tone } from './line.js';
import { tableLines } from './table-lines.js';

/** The server's answer for the open instance; undefined until it answers. */
export type DetailAnswer = { readonly detail: InstanceDetail } | { readonly error: string } | undefined;

export function instanceTitle(id: string, instance: FrameInstance | undefined): Line {
  if (instance === undefined) return line(`${printable(id)} is not part of the fleet now`, 'warn');
  const state = stateOf(instance);
  const { sign, tone } = markOf(state);
  return {
    segments: [
      { text: `${printable(id)}  `, tone: 'strong' },
      { text: printable(`${sign} ${state}`), tone },
    ],
  };
}

export function instanceLines(instance: FrameInstance | undefined, answer: DetailAnswer, width: number): Line[] {
  return [...(instance === undefined ? [] : factLines(instance, width)), ...answerLines(answer, width)];
}

function answerLines(answer: DetailAnswer, width: number): Line[] {
  if (answer === undefined) return [line(''), line('Waiting for its probes and its log…', 'muted')];
  if ('error' in answer) return [line(''), line(printable(answer.error), 'bad')];
  const { health, log } = answer.detail;
  return [line(''), ...probeLines(health, width), line(''), ...logLines(log, width)];
}

function factLines({ host, port, pid, restarts, reason, routing, figures }: FrameInstance, width: number): Line[] {
  const facts: [string, string][] = [
    ['Address', `${host}:${port}`],
    ['Process', pid === null ? '–' : String(pid)],
    ['Restarts', count(restarts)],
    ...(reason === null ? [] : [['Reason', printable(reason)] as [string, string]]),
    ['Up', duration(figures?.uptime)],
    ['Requests', rate(figures?.rate)],
    ['Errors', percent(figures?.errorRate)],
    ['In flight', count(figures?.inFlight)],
    ['CPU', percent(figures?.cpu)],
    ['Event loop busy', percent(figures?.loop)],
    ['Memory', bytes(figures?.rss)],
    ['Heap', bytes(figures?.heapUsed)],
    ...(routing === null ? [] : [['Circuit', routing.circuit] as [string, string]]),
  ];
  return inColumns(
    facts.map(([name, value]) => `${padded(name, 17, false)}${value}`),
    width,
  );
}

/** As many columns as fit, filled from top to bottom. */
function inColumns(texts: readonly string[], width: number): Line[] {
  const cell = Math.max(...texts.map(widthOf)) + 4;
  const columns = Math.max(1, Math.floor((width + 4) / cell));
  const height = Math.ceil(texts.length / columns);
  return Array.from({ length: height }, (_, row) => {
    const cells = texts.filter((_text, i) => i % height === row);
    return line(
      cells
        .map((text) => padded(text, cell, false))
        .join('')
        .trimEnd(),
    );
  });
}

const CHECK_TONES: Readonly<Record<string, Tone>> = { pass: 'good', warn: 'warn', fail: 'bad' };

const PROBE_COLUMNS = [
  { title: 'PROBE', isNumber: false, rank: 0 },
  { title: 'STATUS', isNumber: false, rank: 1 },
  { title: 'TOOK', isNumber: true, rank: 2 },
];

function probeLines(health: InstanceDetail['health'], width: number): Line[] {
  if (health === null) return [line('It does not answer its health check.', 'bad')];
  const checks = Object.entries(health.checks ?? {}).flatMap(([name, all]) => all.map((check) => ({ name, check })));
  if (checks.length === 0) return [line(`Health: ${printable(health.status)}`)];
  const rows = checks.map(({ name, check: { status = '–', duration: took } }) => ({
    key: name,
    service: '',
    cells: [
      { text: printable(name), value: name },
      { text: printable(status), value: status, tone: CHECK_TONES[status] ?? 'plain' },
      { text: duration(took), value: took ?? null },
    ],
  }));
  const table = tableLines({ columns: PROBE_COLUMNS, rows }, width);
  return [
    table.title,
    ...table.rows.flatMap((row, i) => [row, ...said(checks[i]!.check).flatMap((text) => indented(text, width))]),
  ];
}

function said({ output, observedValue, observedUnit }: HealthCheck): string[] {
  if (output !== undefined) return [printable(output)];
  if (observedValue === undefined) return [];
  const value = typeof observedValue === 'string' ? observedValue : JSON.stringify(observedValue);
  return [printable(`${value} ${observedUnit ?? ''}`.trimEnd())];
}

function indented(text: string, width: number): Line[] {
  return wrapped(text, Math.max(1, width - 2)).map((piece) => line(`  ${piece}`, 'muted'));
}

const LEVEL_TONES: Readonly<Record<string, Tone>> = { warn: 'warn', error: 'bad', fatal: 'bad' };

function logLines(log: readonly string[] | null, width: number): Line[] {
  if (log === null) return [line('Its log is not stored: it is on the output of its process.', 'muted')];
  const entries = [...log].reverse().map(readLogLine);
  return [
    line(entries.length === 0 ? 'LOG: nothing yet' : 'LOG, THE NEWEST FIRST', 'muted'),
    ...entries.flatMap(({ time, level, text, stack }) =>
      wrapped(printable([time, level === 'info' ? '' : level, text, stack].filter(Boolean).join(' ')), width).map(
        (piece) => line(piece, LEVEL_TONES[level] ?? 'plain'),
      ),
    ),
  ];
}
