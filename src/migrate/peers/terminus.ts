/** @godaddy/terminus 4 → `healthEndpoints`. */
import type { CallExpression, Expression, NewExpression } from 'typescript';
import { convertOptions, objectText, type Rows, type Values } from '../options.js';
import type { Migration } from '../migration.js';
import type { Source } from '../source.js';

const OPTIONS: Rows = {
  healthChecks: {
    verdict: 'different',
    how: 'Each check is a readiness probe: `probes.registerReadinessProbe(name, fn)`.',
  },
  caseInsensitive: { verdict: 'none', how: 'Paths are matched exactly.' },
  statusOk: { verdict: 'none', how: 'A healthy server answers 200.' },
  statusError: { verdict: 'none', how: 'An unhealthy server answers 503.' },
  statusOkResponse: { verdict: 'none', how: 'Responses are `application/health+json`.' },
  statusErrorResponse: { verdict: 'none', how: 'Responses are `application/health+json`.' },
  timeout: { verdict: 'same', as: 'drainTimeout' },
  signal: { verdict: 'different', how: '`process.on(signal, () => health.shutdown(server))`.' },
  signals: { verdict: 'different', how: '`process.on(signal, () => health.shutdown(server))` for each.' },
  sendSignals: { verdict: 'none', how: 'The process ends by itself when the server is closed.' },
  useExit0: { verdict: 'none', how: 'The process ends by itself when the server is closed.' },
  sigint: { verdict: 'none', how: 'See `signals`.' },
  beforeShutdown: { verdict: 'same' },
  onSignal: { verdict: 'same', how: 'It may take 5 seconds.' },
  onShutdown: { verdict: 'different', how: '`health.shutdown(server).then(…)`.' },
  onSendFailureDuringShutdown: { verdict: 'none', how: 'Readiness fails from the start of a shutdown.' },
  logger: { verdict: 'none', how: 'Failures of hooks are process warnings.' },
  headers: { verdict: 'none', how: 'Set them with a middleware in front.' },
};

interface Checks {
  readonly paths: readonly string[];
  readonly probes: readonly string[];
}

/** The paths of the checks by what their names say, and the statements that register them. */
function checksOf(source: Source, object: Expression | undefined): Checks {
  const { ts } = source;
  const paths: string[] = [];
  const probes: string[] = [];
  for (const one of source.objectOf(object)?.properties ?? []) {
    if (!ts.isPropertyAssignment(one) || !ts.isStringLiteral(one.name)) {
      source.note(one, `healthChecks: convert by hand: ${source.textOf(one)}`);
      continue;
    }
    const { text: path } = one.name;
    if (path === '__unsafeDisablePermissions') continue;
    const kind = /live|alive/i.test(path) ? 'live' : /ready|readiness/i.test(path) ? 'ready' : 'health';
    const method = kind === 'live' ? 'registerLivenessProbe' : 'registerReadinessProbe';
    if (!paths.some((text) => text.startsWith(`${kind}:`))) paths.push(`${kind}: '${path}'`);
    else source.note(one, `healthChecks: ${path} shares the endpoint of another check`);
    probes.push(`health.probes.${method}('${path.replace(/^\//, '')}', ${source.textOf(one.initializer)});`);
  }
  return { paths, probes };
}

function signalsOf(source: Source, values: Values): readonly string[] {
  const one = values.get('signal');
  const many = values.get('signals');
  if (many !== undefined && source.ts.isArrayLiteralExpression(many))
    return many.elements.map((each) => source.textOf(each));
  return [one === undefined ? "'SIGTERM'" : source.textOf(one)];
}

function rewriteCall(source: Source, call: CallExpression | NewExpression, use: (name: string) => string): void {
  const [server, given] = call.arguments ?? [];
  const object = source.objectOf(given);
  const { parent } = call;
  if (server === undefined || object === undefined || !source.ts.isExpressionStatement(parent)) {
    source.note(call, 'convert by hand: the options are not written here, or the result is used');
    return;
  }
  const { properties, values } = convertOptions(source, object, OPTIONS, [
    'healthChecks',
    'signal',
    'signals',
    'onShutdown',
  ]);
  const { paths, probes } = checksOf(source, values.get('healthChecks'));
  const all = [...(paths.length > 0 ? [`paths: { ${paths.join(', ')} }`] : []), ...properties];
  const onShutdown = values.get('onShutdown');
  const ending = onShutdown === undefined ? '' : `.then(${source.textOf(onShutdown)})`;
  const lines = [
    `const health = ${use('healthEndpoints')}(${objectText(all)});`,
    ...probes,
    ...signalsOf(source, values).map(
      (signal) => `process.on(${signal}, () => void health.shutdown(${source.textOf(server)})${ending});`,
    ),
  ];
  source.note(call, 'mount the endpoints before other middleware, where the application is made: app.use(health)');
  source.replace(parent, lines.join('\n'));
}

export const terminus: Migration = {
  peer: '@godaddy/terminus',
  tables: { 'createTerminus(server, options)': OPTIONS },
  exports: { createTerminus: '', HealthCheckError: '' },
  rewrite(source, locals, use) {
    for (const call of source.callsOf(locals.of('createTerminus'))) rewriteCall(source, call, use);
    for (const made of source.callsOf(locals.of('HealthCheckError'))) {
      source.replace(
        made,
        `new Error(${(made.arguments ?? [])
          .slice(0, 1)
          .map((one) => source.textOf(one))
          .join('')})`,
      );
    }
  },
};
