import { callGuarded, Listeners } from '../../src/shared/listeners.js';

describe('Listeners', () => {
  let warn: jest.SpyInstance;
  beforeEach(() => {
    warn = jest.spyOn(process, 'emitWarning').mockImplementation();
  });
  afterEach(() => warn.mockRestore());

  test('calls each in order; removing one of two equal functions leaves the other', () => {
    const listeners = new Listeners<[number]>('Thing.onEvent');
    const calls: string[] = [];
    const same = (n: number): void => void calls.push(`same ${n}`);
    const remove = listeners.add(same);
    listeners.add((n) => calls.push(`other ${n}`));
    listeners.add(same);
    remove();
    remove();
    listeners.emit(7);
    expect(calls).toEqual(['other 7', 'same 7']);
    expect(listeners.size).toBe(2);
    listeners.clear();
    expect(listeners.size).toBe(0);
  });

  test('one added or removed by a listener takes effect with the next event', () => {
    const listeners = new Listeners<[]>('Thing.onEvent');
    const late = jest.fn();
    const remove = listeners.add(() => {
      remove();
      listeners.add(late);
    });
    listeners.emit();
    expect(late).not.toHaveBeenCalled();
    listeners.emit();
    expect(late).toHaveBeenCalledTimes(1);
  });

  test('a throw and a rejection become warnings, and the other listeners are still called', async () => {
    const listeners = new Listeners<[]>('Thing.onEvent');
    const last = jest.fn();
    listeners.add(() => {
      throw new Error('thrown');
    });
    listeners.add(() => Promise.reject(new Error('rejected')));
    listeners.add(last);
    listeners.emit();
    await Promise.resolve().then(() => undefined);
    await Promise.resolve();
    expect(last).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      'Thing.onEvent: a listener failed: thrown',
      'Thing.onEvent: a listener failed: rejected',
    ]);
  });

  test('only functions are taken', () => {
    expect(() => new Listeners<[]>('Thing.onEvent').add(5 as never)).toThrow(
      'Thing.onEvent: expected a function, got number',
    );
  });

  test('callGuarded guards a single callback the same way', () => {
    callGuarded('here', () => {
      throw new Error('no');
    });
    expect(warn).toHaveBeenCalledWith(
      'here: a listener failed: no',
      expect.objectContaining({ code: 'TOOLOO_LISTENER_FAILED' }),
    );
  });
});
