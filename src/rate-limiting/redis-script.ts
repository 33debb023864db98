/**
 * The one script of RedisStore. It runs a batch of operations, each on one or more buckets, atomically and by the
 * server's own clock; the arithmetic is that of MemoryStore, in the same integers.
 *
 * KEYS: the buckets of all operations, in order.
 * ARGV: time in µs (0: the server's), deadline in µs of that time (0: none), then for each run of operations that
 *   differ only in their keys: name, number of operations, buckets of each, and for each bucket capacity, units per µs,
 *   units per token and the operation's units.
 * Reply: the time, then for each bucket its debt, or −1 − debt where the operation cannot be paid. Only the time when
 *   the deadline is over.
 *
 * A bucket is three doubles: debt, time, units per token. It expires a minute after it would be full, when it says
 * nothing. Also a refusal notes the time it saw: a clock that goes back later must not take the tokens of until then
 * with it.
 */
import { createHash } from 'node:crypto';

export const BUCKET_SCRIPT = `
local call, pack, unpack = redis.call, struct.pack, struct.unpack
local max, floor, ceil = math.max, math.floor, math.ceil
local now = tonumber(ARGV[1])
if now == 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local deadline = tonumber(ARGV[2])
local reply = { now }
if deadline > 0 and now > deadline then return reply end

local function save(key, debt, rate, unit)
  if debt == 0 then
    call('DEL', key)
  elseif rate == 0 then
    call('SET', key, pack('<ddd', debt, now, unit))
  else
    call('SET', key, pack('<ddd', debt, now, unit), 'PX', ceil(debt / rate / 1000) + 60000)
  end
end

local key, at, size = 0, 3, 1
local capacity, rate, unit, units, debt, moved = {}, {}, {}, {}, {}, {}
while at <= #ARGV do
  local operation, operations, buckets = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  for i = 1, buckets do
    capacity[i], rate[i] = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    unit[i], units[i] = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    at = at + 4
  end
  local takes, refunds, writes = operation == 'take', operation == 'refund', operation == 'write'
  for _ = 1, operations do
    local pays = true
    for i = 1, buckets do
      local owed = 0
      moved[i] = false
      local state = call('GET', KEYS[key + i])
      if state then
        local time, old
        owed, time, old = unpack('<ddd', state)
        if old ~= unit[i] then owed = floor(owed / old * unit[i] + 0.5) end
        if now > time then owed = max(owed - (now - time) * rate[i], 0) end
        if owed > capacity[i] then owed = capacity[i] end
        moved[i] = now ~= time
      end
      if owed + units[i] > capacity[i] then pays = false end
      debt[i] = owed
    end
    for i = 1, buckets do
      local owed, changed = debt[i], moved[i]
      if takes then
        if pays and units[i] > 0 then owed, changed = owed + units[i], true end
      elseif refunds then
        owed, changed = max(0, owed - units[i]), true
      elseif writes then
        owed, changed = units[i], true
      end
      if changed then save(KEYS[key + i], owed, rate[i], unit[i]) end
      size = size + 1
      reply[size] = pays and owed or -1 - owed
    end
    key = key + buckets
  end
end
return reply
`;

/**
 * Counts the processes that share a store: KEYS[1] a sorted set of them by when they were last heard of, ARGV this
 * process' id and how many milliseconds make one forgotten.
 */
export const INSTANCES_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local forgotten = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - forgotten))
redis.call('PEXPIRE', KEYS[1], forgotten)
return redis.call('ZCARD', KEYS[1])
`;

export function sha1(script: string): string {
  return createHash('sha1').update(script).digest('hex');
}
