/**
 * The scripts of the Redis layer. Each touches keys of one cluster slot only and is atomic; what concerns several slots
 * is ordered so that a reader in between sees a miss, never what was invalidated.
 */
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** KEYS: entry. Answers its bytes and the milliseconds it has left (-1: for ever). */
export const READ = script(`
  local bytes = redis.call('GET', KEYS[1])
  if not bytes then return false end
  return { bytes, redis.call('PTTL', KEYS[1]) }
`);

/** KEYS: entry, lease. ARGV: bytes, milliseconds (-1: for ever; 0: removes), token ('': without a lease). Answers 1 when stored. */
export const WRITE = script(`
  if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
  redis.call('DEL', KEYS[2])
  if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
    return 0
  end
  if ARGV[2] == '-1' then redis.call('SET', KEYS[1], ARGV[1])
  else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
  return 1
`);

/** KEYS: entry, lease. Answers how many entries were removed. */
export const REMOVE = script(`
  redis.call('DEL', KEYS[2])
  return redis.call('DEL', KEYS[1])
`);

/** KEYS: lease. ARGV: token. */
export const RELEASE = script(`
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 0
`);

/**
 * KEYS: generation. ARGV: how many to add. Should the counter have been lost, it goes on from the server's time, which
 * in microseconds is above all it can have counted to.
 */
export const GENERATION = script(`
  if redis.call('EXISTS', KEYS[1]) == 0 then
    local time = redis.call('TIME')
    redis.call('SET', KEYS[1], string.format('%.0f', time[1] * 1000000 + time[2]))
  end
  if ARGV[1] == '0' then return redis.call('GET', KEYS[1]) end
  return string.format('%.0f', redis.call('INCRBY', KEYS[1], ARGV[1]))
`);

/**
 * KEYS: tag. ARGV: generation, milliseconds (-1: for ever). Makes the record of a tag last as long as what carries it.
 * One that is missing, evicted perhaps, begins as invalidated now: what is older cannot be told from what it covered.
 */
export const KEEP_TAG = script(`
  if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('SET', KEYS[1], ARGV[1] .. ' 0')
    if ARGV[2] ~= '-1' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 1
  end
  local left = redis.call('PTTL', KEYS[1])
  if ARGV[2] == '-1' then redis.call('PERSIST', KEYS[1])
  elseif left >= 0 and left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
`);

/** KEYS: tag. ARGV: generation, 'soft' or 'hard'. A tag without a record is on nothing that could still be read. */
export const MARK_TAG = script(`
  local record = redis.call('GET', KEYS[1])
  if not record then return 0 end
  local hard, soft = string.match(record, '^(%d+) (%d+)$')
  if ARGV[2] == 'soft' then soft = ARGV[1] else hard = ARGV[1] end
  redis.call('SET', KEYS[1], hard .. ' ' .. soft, 'KEEPTTL')
  return 1
`);
