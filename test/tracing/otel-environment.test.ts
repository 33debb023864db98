import {
  exporterFrom,
  isLoopbackHost,
  resourceFrom,
  samplingRateFrom,
  serviceNameFrom,
} from '../../src/tracing/otel-environment.js';

let warn: jest.SpyInstance;
beforeEach(() => {
  warn = jest.spyOn(process, 'emitWarning').mockImplementation();
});
afterEach(() => warn.mockRestore());

test.each([
  [{}, undefined, 0],
  [{ OTEL_TRACES_SAMPLER: '' }, undefined, 0],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, 1, 0],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, 0, 0],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, 0.25, 0],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 1, 0],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' }, undefined, 1],
  [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, undefined, 1],
])('the sampler of %j is %p', (env, rate, warnings) => {
  expect(samplingRateFrom(env)).toBe(rate);
  expect(warn).toHaveBeenCalledTimes(warnings);
});

test('service and resource', () => {
  const env = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,deployment.environment.name=pre%20prod, k = v ' };
  expect(serviceNameFrom(env)).toBe('a');
  expect(serviceNameFrom({ ...env, OTEL_SERVICE_NAME: 'b' })).toBe('b');
  expect(resourceFrom(env)).toEqual({ 'deployment.environment.name': 'pre prod', k: 'v' });
});

test('exporter: what is for traces wins, and a base URL gets the path', () => {
  expect(exporterFrom({})).toEqual({ url: undefined, headers: {}, timeout: undefined, compression: undefined });
  expect(
    exporterFrom({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3%2C',
      OTEL_EXPORTER_OTLP_TIMEOUT: '500',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    }),
  ).toEqual({
    url: 'http://collector:4318/v1/traces',
    headers: { a: '1', b: '3,' },
    timeout: 500,
    compression: 'gzip',
  });
  expect(exporterFrom({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/custom' }).url).toBe('http://c/custom');
  expect(exporterFrom({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector', OTEL_EXPORTER_OTLP_TIMEOUT: 'soon' })).toMatchObject({
    url: undefined,
    timeout: undefined,
  });
  expect(warn).toHaveBeenCalledTimes(2);
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['[::1]', true],
  ['localhost', true],
  ['a.localhost', true],
  ['127.example.com', false],
  ['10.0.0.1', false],
])('%s is this machine: %p', (host, isLocal) => {
  expect(isLoopbackHost(host)).toBe(isLocal);
});
