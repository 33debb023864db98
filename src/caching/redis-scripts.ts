/**
 * The scripts of the Redis layer. Each is atomic and touches keys of one cluster slot only. Operations on several slots
 * are ordered so that a reader in between sees a miss, never an invalidated entry.
 */
import { createHash } from 'node:crypto';

export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** KEYS: entry. Returns its bytes and its remaining milliseconds (-1: no expiry). */
export const READ = script(`
  local bytes = redis.call('GET', KEYS[1])
  if not bytes then return false end
  return { bytes, redis.call('PTTL', KEYS[1]) }
`);

/**
 * KEYS: entry, lease. ARGV: bytes, milliseconds (-1: no expiry; 0: removes), token ('': without a lease). Returns 1 if
 * stored.
 */
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

/**
 * KEYS: entry, lease. Returns the first line of the removed entry and the milliseconds it had left; nothing if it did
 * not exist.
 */
export const REMOVE = script(`
  redis.call('DEL', KEYS[2])
  local line
  local size = 256
  repeat
    line = redis.call('GETRANGE', KEYS[1], 0, size - 1)
    local found = string.find(line, '\\n', 1, true)
    if found then
      local left = redis.call('PTTL', KEYS[1])
      redis.call('DEL', KEYS[1])
      return { string.sub(line, 1, found - 1), left }
    end
    local isAll = #line < size
    size = size * 16
  until isAll
  redis.call('DEL', KEYS[1])
  return false
`);

/** KEYS: lease. ARGV: token. */
export const RELEASE = script(`
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 0
`);

/**
 * KEYS: generation. ARGV: the number to add. If the counter was lost, it continues from the server's time. In
 * microseconds this is above every number it can have reached.
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
 * KEYS: tag. ARGV: generation, milliseconds (-1: for ever). Makes the record of a tag last as long as the entries with
 * it. A missing record, for example an evicted one, starts as invalidated now, because it may have covered older
 * entries.
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

/**
 * KEYS: tag. ARGV: generation, 'soft' or 'hard'. A tag without a record belongs to no entry that could still be read.
 */
export const MARK_TAG = script(`
  local record = redis.call('GET', KEYS[1])
  if not record then return 0 end
  local hard, soft = string.match(record, '^(%d+) (%d+)$')
  if ARGV[2] == 'soft' then soft = ARGV[1] else hard = ARGV[1] end
  redis.call('SET', KEYS[1], hard .. ' ' .. soft, 'KEEPTTL')
  return 1
`);
