/** The client of the package `redis` (node-redis), as RedisStore uses one. */
import type { NodeRedisClient, RedisScriptClient, ScriptOptions } from './redis-options.js';

/** A client of either kind, as ioredis' are called. */
export function scriptClient(client: RedisScriptClient | NodeRedisClient): RedisScriptClient {
  return 'evalSha' in client ? adapted(client) : client;
}

function adapted(client: NodeRedisClient): RedisScriptClient {
  const options = (keys: number, args: readonly (string | number)[]): ScriptOptions => {
    const texts = args.map(String);
    return { keys: texts.slice(0, keys), arguments: texts.slice(keys) };
  };
  return {
    isCluster: client.masters !== undefined,
    get status() {
      return (client.isReady ?? client.isOpen ?? true) ? 'ready' : 'not connected';
    },
    evalsha: (sha, keys, ...args) => client.evalSha(sha, options(keys, args)),
    eval: (script, keys, ...args) => client.eval(script, options(keys, args)),
  };
}
