/** The servers export every metric that the configuration of Prometheus and Grafana uses. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import request from 'supertest';
import { parse, stringify } from 'yaml';
import { budgetServer } from '../../servers/budget-server.js';
import { FLEET, MANAGED_SERVICES } from '../../servers/support/fleet.js';
import { webServer } from '../../servers/web-server.js';
import { eventually } from '../support/eventually.js';
import { testFleet } from '../support/fleet-server.js';
import { describeWithPromtool } from '../support/promtool.js';

const DEPLOY = resolve(__dirname, '../../deploy');
const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

interface ScrapeConfig {
  readonly dns_sd_configs: ReadonlyArray<{ readonly names: readonly string[]; readonly port: number }>;
}
interface Rules {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly runbook_url: string };
    }>;
  }>;
}
interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly id: number;
    readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>;
  }>;
}

const dashboard = JSON.parse(read('grafana/dashboards/fleet.json')) as Dashboard;
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const alerts = (parse(read('prometheus/alerts.yml')) as Rules).groups.flatMap(({ rules }) => rules);
const expressions = [...targets, ...alerts].map(({ expr }) =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll('$service', '.*'),
);

/** Labels that Prometheus itself adds. */
const SCRAPED_LABELS = ['job', 'instance', 'exported_instance', 'namespace', 'pod'];

describe('the set of exported metrics', () => {
  const metrics = new Set<string>();
  const labels = new Set(SCRAPED_LABELS);

  beforeAll(async () => {
    const fleet = testFleet();
    try {
      const budget = await fleet.listen(budgetServer);
      const web = await fleet.create(webServer, { clients: { budget }, env: { MAX_IN_FLIGHT: 'adaptive' } });
      await request(web.app).get('/api/v1/budget').expect(200);
      for (const server of [budget, web.app]) {
        // A process that has just started does not export its CPU usage yet.
        const { text } = await eventually(
          () => request(server).get('/metrics').expect(200),
          (answer) => answer.text.includes('\ntooloo_load_cpu_ratio'),
        );
        text.split('\n').forEach(note);
      }
    } finally {
      await fleet.close();
    }
  }, 60_000);

  function note(line: string): void {
    const [, name, inside = ''] = /^([a-z_0-9]+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) return;
    metrics.add(name);
    for (const [, label] of inside.matchAll(/([a-z_]+)="/g)) labels.add(label!);
  }

  const namesIn = (text: string): string[] =>
    [...text.matchAll(/\b(?:tooloo|http_server|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name);

  test('contains every metric that the dashboard, the alerts and the autoscalers use', () => {
    const autoscaled = namesIn(read('kubernetes/service/autoscaler.yaml'));
    expect(autoscaled).toHaveLength(2);
    const named = [...expressions.flatMap(namesIn), ...autoscaled];
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !metrics.has(name))).toEqual([]);
  });

  test('has the labels that they use', () => {
    const asked = expressions.flatMap((expr) => [
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/, */)),
      ...[...expr.matchAll(/([a-z_]+)(?:=~|!=|!~|=)"/g)].map(([, label]) => label!),
    ]);
    const shown = targets.flatMap(({ legendFormat }) =>
      [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, l]) => l!),
    );
    expect([...asked, ...shown].filter((label) => !labels.has(label))).toEqual([]);
  });

  test('contains every metric that the adapter passes to the autoscalers', () => {
    const { rules } = parse(read('prometheus/adapter.yaml')) as { rules: Array<{ seriesQuery: string }> };
    const [, pattern] = /__name__=~"([^"]+)"/.exec(rules[0]!.seriesQuery)!;
    for (const name of namesIn(read('kubernetes/service/autoscaler.yaml')))
      expect(name).toMatch(new RegExp(`^${pattern}$`));
  });
});

test('Prometheus scrapes every service on its port', () => {
  const { scrape_configs } = parse(read('prometheus/prometheus.yml')) as { scrape_configs: ScrapeConfig[] };
  const asked = scrape_configs.flatMap((job) => job.dns_sd_configs.map(({ names, port }) => [...names, port]));
  expect(asked).toEqual(MANAGED_SERVICES.map((name) => [name, FLEET[name].port]));
});

test('each alert leads to a section of the operations page, and each row of the page has an alert', () => {
  const page = readFileSync(resolve(DEPLOY, '../docs/operations.md'), 'utf8');
  const anchors = [...page.matchAll(/^### (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  const linked = alerts.map(({ annotations: { runbook_url: url } }) => url.split('docs/operations.md#')[1]);
  expect(linked.filter((anchor) => !anchors.includes(anchor ?? ''))).toEqual([]);
  const rows = page.split('\n').filter((line) => /^\| .*\? \|/.test(line));
  expect(rows.length).toBeGreaterThan(10);
  const known = alerts.map(({ expr }) => expr).join(' ');
  const named = rows.map((row) => [...row.matchAll(/`((?:tooloo|http|nodejs)_\w+)`/g)].map(([, name]) => name!));
  // The latency alerts use the percentile that the services report.
  const isWatched = (name: string) =>
    known.includes(name.replace(/^http_server_request_duration_seconds$/, 'p99_seconds'));
  expect(rows.filter((_, i) => !named[i]!.some(isWatched))).toEqual([]);
});

test('every panel has a number of its own', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

describeWithPromtool('promtool', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'promtool-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const check = (what: 'config' | 'rules', path: string): void => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', what, path], { encoding: 'utf8' });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  };

  test('accepts the configuration and its alerts', () => check('config', join(DEPLOY, 'prometheus/prometheus.yml')));

  test('accepts the configuration for Kubernetes', () => {
    // Debian builds Prometheus without Kubernetes discovery: static targets replace it to check the rest of the file.
    const config = parse(read('prometheus/kubernetes.yml')) as { scrape_configs: Array<Record<string, unknown>> };
    for (const job of config.scrape_configs) {
      expect(job.kubernetes_sd_configs).toEqual([{ role: 'pod', namespaces: { names: ['tooloo'] } }]);
      delete job.kubernetes_sd_configs;
    }
    writeFileSync(join(folder, 'kubernetes.yml'), stringify({ ...config, rule_files: [] }));
    check('config', join(folder, 'kubernetes.yml'));
  });

  test('confirms that each alert fires only when it should', () => {
    const { tests } = parse(read('prometheus/alerts.test.yml')) as {
      tests: Array<{ name: string; promql_expr_test: Array<{ expr: string; exp_samples: Array<{ value: number }> }> }>;
    };
    const outcomes = tests.map(({ name, promql_expr_test: [asked] }) => `${name}: ${asked!.exp_samples[0]!.value}`);
    const wanted = alerts.flatMap(({ alert }) => [`${alert} fires: 1`, `${alert} does not fire: 0`]);
    expect(outcomes.sort()).toEqual(wanted.sort());
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'alerts.test.yml'], {
      cwd: join(DEPLOY, 'prometheus'),
      encoding: 'utf8',
    });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  });

  test('accepts every expression of the dashboard', () => {
    const rules = expressions.map((expr, i) => ({ record: `panel:expression:${i}`, expr }));
    writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'dashboard', rules }] }));
    check('rules', join(folder, 'rules.yml'));
  });
});
