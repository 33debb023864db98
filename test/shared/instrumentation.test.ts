/** The calls of engines: they do nothing if no tracer is installed, and reach the tracer that is installed. */
import {
  bindContext,
  currentRoute,
  currentTrace,
  injectTrace,
  installInstrumentation,
  nameRoute,
  startSpan,
  type Instrumentation,
} from '../../src/shared/instrumentation.js';

afterEach(() => installInstrumentation(undefined));

test('without a tracer nothing is traced, and nothing is in the way', () => {
  installInstrumentation(undefined);
  const headers = {};
  const callback = (): number => 7;
  injectTrace(headers);
  nameRoute('/x');
  expect([startSpan('a'), currentTrace(), currentRoute(), headers]).toEqual([undefined, undefined, undefined, {}]);
  expect(bindContext(callback)).toBe(callback);
});

test('an installed tracer is asked', () => {
  const trace = { traceId: 'a', spanId: 'b', sampled: true };
  const asked = { startSpan: jest.fn(), inject: jest.fn(), nameRoute: jest.fn() };
  const instrumentation: Instrumentation = {
    ...asked,
    current: () => trace,
    currentRoute: () => '/r',
    bind: (callback) => callback,
  };
  installInstrumentation(instrumentation);
  const headers = {};
  startSpan('op', { n: 1 });
  injectTrace(headers);
  nameRoute('/x');
  expect(asked.startSpan).toHaveBeenCalledWith('op', { n: 1 });
  expect(asked.inject).toHaveBeenCalledWith(headers);
  expect(asked.nameRoute).toHaveBeenCalledWith('/x');
  expect([currentTrace(), currentRoute()]).toEqual([trace, '/r']);
});
