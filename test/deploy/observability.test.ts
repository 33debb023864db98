/** What Prometheus and Grafana are told to look at is what the servers really export. */
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
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string; readonly expr: string }> }>;
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

/** Labels that Prometheus itself gives. */
const SCRAPED_LABELS = ['job', 'instance', 'exported_instance', 'namespace', 'pod'];

describe('what is exported', () => {
  const metrics = new Set<string>();
  const labels = new Set(SCRAPED_LABELS);

  beforeAll(async () => {
    const fleet = testFleet();
    try {
      const budget = await fleet.listen(budgetServer);
      const web = await fleet.create(webServer, { clients: { budget } });
      await request(web.app).get('/api/v1/budget').expect(200);
      for (const server of [budget, web.app]) {
        // How busy the processor is, nobody knows of a process that has just begun.
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

  test('is what dashboard, alerts and autoscalers name', () => {
    const autoscaled = namesIn(read('kubernetes/service/autoscaler.yaml'));
    expect(autoscaled).toHaveLength(2);
    const named = [...expressions.flatMap(namesIn), ...autoscaled];
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !metrics.has(name))).toEqual([]);
  });

  test('has the labels that they ask for', () => {
    const asked = expressions.flatMap((expr) => [
      ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/, */)),
      ...[...expr.matchAll(/([a-z_]+)(?:=~|!=|!~|=)"/g)].map(([, label]) => label!),
    ]);
    const shown = targets.flatMap(({ legendFormat }) =>
      [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, l]) => l!),
    );
    expect([...asked, ...shown].filter((label) => !labels.has(label))).toEqual([]);
  });

  test('is what the adapter hands to the autoscalers', () => {
    const { rules } = parse(read('prometheus/adapter.yaml')) as { rules: Array<{ seriesQuery: string }> };
    const [, pattern] = /__name__=~"([^"]+)"/.exec(rules[0]!.seriesQuery)!;
    for (const name of namesIn(read('kubernetes/service/autoscaler.yaml')))
      expect(name).toMatch(new RegExp(`^${pattern}$`));
  });
});

test('Prometheus asks every service on its port', () => {
  const { scrape_configs } = parse(read('prometheus/prometheus.yml')) as { scrape_configs: ScrapeConfig[] };
  const asked = scrape_configs.flatMap((job) => job.dns_sd_configs.map(({ names, port }) => [...names, port]));
  expect(asked).toEqual(MANAGED_SERVICES.map((name) => [name, FLEET[name].port]));
});

test('no panel has the number of another', () => {
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
    // Debian's is built without the discovery of Kubernetes: the rest of the file is checked with targets in its place.
    const config = parse(read('prometheus/kubernetes.yml')) as { scrape_configs: Array<Record<string, unknown>> };
    for (const job of config.scrape_configs) {
      expect(job.kubernetes_sd_configs).toEqual([{ role: 'pod', namespaces: { names: ['tooloo'] } }]);
      delete job.kubernetes_sd_configs;
    }
    writeFileSync(join(folder, 'kubernetes.yml'), stringify({ ...config, rule_files: [] }));
    check('config', join(folder, 'kubernetes.yml'));
  });

  test('accepts every expression of the dashboard', () => {
    const rules = expressions.map((expr, i) => ({ record: `panel:expression:${i}`, expr }));
    writeFileSync(join(folder, 'rules.yml'), stringify({ groups: [{ name: 'dashboard', rules }] }));
    check('rules', join(folder, 'rules.yml'));
  });
});
