/**
 * An axios instance that exists before axios is loaded. Its defaults and interceptors can be set at once; its first
 * request waits for the load.
 */
import type { AxiosDefaults, AxiosInstance, AxiosRequestConfig, AxiosStatic, CreateAxiosDefaults } from 'axios';
import { axiosNow, loadAxios } from '../shared/lazy-axios.js';
import { ownRequire } from '../shared/own-require.js';

const METHODS = [
  'request',
  'get',
  'delete',
  'head',
  'options',
  'post',
  'put',
  'patch',
  'postForm',
  'putForm',
  'patchForm',
  'query',
] as const satisfies ReadonlyArray<keyof AxiosInstance>;

const HEADER_GROUPS = ['common', 'delete', 'get', 'head', 'patch', 'post', 'put', 'query'];

/** The sender of requests. axios names the class differently in its two sets of declarations. */
type Axios = InstanceType<AxiosStatic['Axios']>;

type Interceptor = [onFulfilled?: unknown, onRejected?: unknown, options?: unknown];

interface Manager {
  use(...interceptor: Interceptor): number;
  eject(id: number): void;
  clear(): void;
}

/** Interceptors, which wait for axios. Their numbers are counted here, because axios numbers them differently by version. */
class DeferredInterceptors implements Manager {
  #waiting: Array<readonly [id: number, interceptor: Interceptor]> = [];
  #ids: number[] = [];
  #manager: Manager | undefined;
  #next = 0;

  use(...interceptor: Interceptor): number {
    const id = this.#next++;
    if (this.#manager === undefined) this.#waiting.push([id, interceptor]);
    else this.#ids[id] = this.#manager.use(...interceptor);
    return id;
  }

  eject(id: number): void {
    this.#waiting = this.#waiting.filter(([one]) => one !== id);
    const known = this.#ids[id];
    if (known !== undefined) this.#manager?.eject(known);
  }

  clear(): void {
    this.#waiting = [];
    this.#ids = [];
    this.#manager?.clear();
  }

  loaded(manager: Manager): void {
    for (const [id, interceptor] of this.#waiting) this.#ids[id] = manager.use(...interceptor);
    this.#waiting = [];
    this.#manager = manager;
  }
}

/** The defaults as axios lays them out: an object of header fields for each method. */
function withHeaderGroups(defaults: CreateAxiosDefaults): CreateAxiosDefaults {
  const groups = Object.fromEntries(HEADER_GROUPS.map((name) => [name, {}]));
  return { ...defaults, headers: { ...groups, ...defaults.headers } as NonNullable<CreateAxiosDefaults['headers']> };
}

/** axios for the one method that must answer at once. A bundle does not hold what this looks for. */
function requireAxios(): AxiosStatic {
  try {
    return ownRequire()('axios') as AxiosStatic;
  } catch (cause) {
    throw new Error('serviceClient: getUri works once axios is loaded, which the first request does', { cause });
  }
}

/**
 * An instance with these defaults. axios loads with the first request: it makes Node load its own `fetch`, which takes 60
 * ms and 9 MB, also in a process that makes no request.
 */
export function deferredAxios(given: CreateAxiosDefaults): AxiosInstance {
  const defaults = withHeaderGroups(given);
  const interceptors = { request: new DeferredInterceptors(), response: new DeferredInterceptors() };
  let context: Axios | undefined;

  async function load(): Promise<Axios> {
    await loadAxios();
    return (context ??= createContext());
  }

  /** The defaults stay the object that they were, because others may hold it. */
  function createContext(): Axios {
    const axios = axiosNow();
    Object.assign(defaults, axios.mergeConfig(axios.defaults as AxiosRequestConfig, defaults as AxiosRequestConfig));
    const created = new axios.Axios(defaults as AxiosRequestConfig);
    interceptors.request.loaded(created.interceptors.request as Manager);
    interceptors.response.loaded(created.interceptors.response as Manager);
    return created;
  }

  type Call = (...args: unknown[]) => Promise<unknown>;
  const caller =
    (name: (typeof METHODS)[number]): Call =>
    (...args) => {
      const send = (target: Axios): Promise<unknown> => (target[name] as unknown as Call).apply(target, args);
      return context === undefined ? load().then(send) : send(context);
    };

  return Object.assign(caller('request'), {
    ...Object.fromEntries(METHODS.map((name) => [name, caller(name)])),
    defaults: defaults as AxiosDefaults,
    interceptors,
    getUri: (config?: AxiosRequestConfig) => (context ?? requireAxios().create(defaults)).getUri(config),
    create: (config: CreateAxiosDefaults = {}) =>
      deferredAxios({
        ...defaults,
        ...config,
        headers: { ...defaults.headers, ...config.headers },
      }),
  }) as unknown as AxiosInstance;
}
