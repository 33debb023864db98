/**
 * Modules of Node that few applications need and that take milliseconds to load, loaded where they are used. Bundlers have
 * nothing to do with them.
 */
import type * as ChildProcess from 'node:child_process';
import type cluster from 'node:cluster';
import type * as DnsPromises from 'node:dns/promises';
import type * as Http2 from 'node:http2';
import type * as Https from 'node:https';
import type * as PerfHooks from 'node:perf_hooks';
import type * as Tls from 'node:tls';
import type * as V8 from 'node:v8';
import type * as WorkerThreads from 'node:worker_threads';
import type * as Zlib from 'node:zlib';

interface NodeModules {
  'node:child_process': typeof ChildProcess;
  'node:cluster': typeof cluster;
  'node:dns/promises': typeof DnsPromises;
  'node:http2': typeof Http2;
  'node:https': typeof Https;
  'node:perf_hooks': typeof PerfHooks;
  'node:sqlite': unknown;
  'node:tls': typeof Tls;
  'node:v8': typeof V8;
  'node:worker_threads': typeof WorkerThreads;
  'node:zlib': typeof Zlib;
}

/** Undefined only for a module that this Node does not have. */
export function nodeModule<K extends keyof NodeModules>(id: K): NodeModules[K] {
  return (process as unknown as { getBuiltinModule?: (id: string) => NodeModules[K] }).getBuiltinModule?.(
    id,
  ) as NodeModules[K];
}
