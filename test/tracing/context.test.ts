/** Both carriers follow the work through everything a server does. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createNamespace, destroyNamespace, getNamespace } from 'cls-hooked';
import { clsHookedContext } from '../../src/cls-hooked.js';
import { bindContext, currentTrace } from '../../src/shared/instrumentation.js';
import { contextCarrierCases } from '../../src/testing/context-carrier-cases.js';
import { activeSpan, asyncContext, useCarrier } from '../../src/tracing/context.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

const NAMESPACE = 'test-carrier';

describe('AsyncLocalStorage', () => {
  test.each(contextCarrierCases)('$name', ({ run }) => run(asyncContext));

  test('the process has one context, which all builds of the package share', () => {
    expect(asyncContext()).toBe(asyncContext());
    const storage = (globalThis as Record<symbol, unknown>)[Symbol.for('@tooloo/resilience:context')];
    expect(storage).toBeInstanceOf(AsyncLocalStorage);
    asyncContext().run({ traceId: 'a', spanId: 'b' }, () => {
      expect((storage as AsyncLocalStorage<unknown>).getStore()).toEqual({ traceId: 'a', spanId: 'b' });
    });
  });
});

describe('cls-hooked', () => {
  afterAll(() => destroyNamespace(NAMESPACE));

  test.each(contextCarrierCases)('$name', ({ run }) => run(() => clsHookedContext(NAMESPACE)));

  test('code that reads the namespace finds the trace', () => {
    const carrier = clsHookedContext(NAMESPACE);
    const seen = carrier.run({ traceId: 'a', spanId: 'b' }, () => {
      const namespace = getNamespace(NAMESPACE)!;
      return [namespace.get('traceId') as unknown, namespace.get('spanId') as unknown];
    });
    expect(seen).toEqual(['a', 'b']);
  });

  test('what the application keeps in its namespace stays there', () => {
    const namespace = createNamespace('test-existing');
    const seen = namespace.runAndReturn(() => {
      namespace.set('user', 7);
      return clsHookedContext(namespace).run({ traceId: 'a', spanId: 'b' }, () => namespace.get('user') as unknown);
    });
    expect(seen).toBe(7);
    destroyNamespace('test-existing');
  });

  test('engines find the span in it while it is in use', async () => {
    const tracer = new DistributedTracer();
    const carrier = clsHookedContext(NAMESPACE);
    const release = useCarrier(carrier);
    tracer.trace('job', (span) => {
      expect(carrier.get()).toBe(span);
      expect(currentTrace()?.spanId).toBe(span.spanId);
    });
    release();
    carrier.run({ traceId: 'a', spanId: 'b' }, () => expect(activeSpan()).toBeUndefined());
    await tracer.close();
  });
});

test('a bound callback runs in the context it was bound in, and in those of the application', async () => {
  const tracer = new DistributedTracer();
  const own = new AsyncLocalStorage<string>();
  let bound = (): unknown => undefined;
  const spanId = tracer.trace('first', (span) => {
    own.run('mine', () => {
      bound = bindContext(() => [currentTrace()?.spanId, own.getStore()]);
    });
    return span.spanId;
  });
  expect(tracer.trace('second', () => bound())).toEqual([spanId, 'mine']);
  await tracer.close();
});
