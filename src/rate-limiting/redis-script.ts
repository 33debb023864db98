/**
 * The one script of RedisStore. It runs a batch of operations, each on one or more buckets, atomically and by the
 * server's own clock; the arithmetic is that of MemoryStore, in the same integers.
 *
 * KEYS: the buckets of all operations, in order.
 * ARGV: time in µs (0: the server's), deadline in µs of that time (0: none), then each run of operations that differ only
 *   in their keys. A run is name, number of operations, buckets of each, and five numbers per bucket: capacity, units per
 *   µs, units per token, window in µs (0: token bucket, negative: sliding) and the operation's units.
 * Reply: the time, then for each bucket its debt, or −1 − debt where the operation cannot be paid, followed, where the
 *   limit has windows, by the previous window's count and the window in force. Only the time when the deadline is over.
 *
 * A bucket is four doubles: debt, time, units per token, units per µs. The last two are of the limit it was last used
 * under, which is the one that refilled it since; earlier versions wrote only three. With windows there are two more: what
 * the previous window counted, and the window in force (see windows.ts); an earlier version wrote only the first of them.
 * A bucket expires a minute after it would be full, because it then holds no information. A refusal stores the time as
 * well: otherwise, a clock that is set back later would take the tokens that returned until then. A read stores nothing.
 */
import { createHash } from 'node:crypto';

export const BUCKET_SCRIPT = `
local call, pack, unpack = redis.call, struct.pack, struct.unpack
local max, floor, ceil, abs = math.max, math.floor, math.ceil, math.abs
local now = tonumber(ARGV[1])
if now == 0 then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local deadline = tonumber(ARGV[2])
local reply = { now }
if deadline > 0 and now > deadline then return reply end

local function carried(previous, window, time)
  if previous == 0 then return 0 end
  return ceil(previous * (window - time % window) / window)
end

local function advance(window, owed, previous, time)
  local length = abs(window)
  local begun = floor(now / length) - floor(time / length)
  if window > 0 then return begun > 0 and 0 or owed, 0, begun > 0 end
  if now <= time then return owed, previous, false end
  local counted = max(0, owed - carried(previous, length, time))
  if begun == 1 then previous, counted = counted, 0 elseif begun > 1 then previous, counted = 0, 0 end
  return counted + carried(previous, length, now), previous, begun > 0
end

local function save(key, debt, rate, unit, window, previous)
  if debt == 0 then
    call('DEL', key)
  elseif window ~= 0 then
    local length = abs(window)
    local ends = length - now % length
    if window < 0 then ends = ends + length end
    call('SET', key, pack('<dddddd', debt, now, unit, rate, previous, window), 'PX', ceil(ends / 1000) + 60000)
  elseif rate == 0 then
    call('SET', key, pack('<dddd', debt, now, unit, rate))
  else
    call('SET', key, pack('<dddd', debt, now, unit, rate), 'PX', ceil(debt / rate / 1000) + 60000)
  end
end

local key, at, size = 0, 3, 1
local capacity, rate, unit, window, units, debt, before, force, moved = {}, {}, {}, {}, {}, {}, {}, {}, {}
while at <= #ARGV do
  local operation, operations, buckets = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  for i = 1, buckets do
    capacity[i], rate[i] = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    unit[i], window[i], units[i] = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    at = at + 5
  end
  local takes, spends = operation == 'take', operation == 'spend'
  local refunds, writes, reads = operation == 'refund', operation == 'write', operation == 'read'
  for _ = 1, operations do
    local pays = true
    for i = 1, buckets do
      local asked, owed, previous = window[i], 0, 0
      moved[i], force[i] = false, asked
      local state = call('GET', KEYS[key + i])
      if state then
        local time, old, flow, kept, ended = 0, 0, rate[i], 0, true
        owed, time, old = unpack('<ddd', state)
        if #state > 24 then flow = unpack('<d', state, 25) end
        if #state > 32 then previous, kept = unpack('<d', state, 33), asked end
        if #state > 40 then kept = unpack('<d', state, 41) end
        if kept == 0 then
          if now > time then owed = max(owed - (now - time) * flow, 0) end
        else
          owed, previous, ended = advance(kept, owed, previous, time)
        end
        moved[i] = now ~= time or flow ~= rate[i] or old ~= unit[i] or kept ~= asked
        if kept ~= asked then
          if asked ~= 0 and abs(asked) < abs(kept) and owed > 0 and not ended then
            force[i] = kept
          else
            previous = 0
          end
        end
        if old ~= unit[i] then
          owed = floor(owed / old * unit[i] + 0.5)
          previous = floor(previous / old * unit[i] + 0.5)
        end
      end
      if units[i] > 0 and owed + units[i] > capacity[i] then pays = false end
      debt[i], before[i] = owed, previous
    end
    for i = 1, buckets do
      local owed, changed = debt[i], moved[i]
      if takes then
        if pays and units[i] > 0 then owed, changed = owed + units[i], true end
      elseif spends then
        owed, changed = owed + units[i], true
      elseif refunds then
        owed, changed = max(0, owed - units[i]), true
      elseif writes then
        owed, changed = units[i], true
      end
      if force[i] < 0 and before[i] > 0 and (refunds or writes) then
        local carry = carried(before[i], -force[i], now)
        if owed < carry then before[i] = floor(before[i] * owed / carry) end
      end
      if changed and not reads then save(KEYS[key + i], owed, rate[i], unit[i], force[i], before[i]) end
      size = size + 1
      reply[size] = pays and owed or -1 - owed
      if window[i] ~= 0 then
        reply[size + 1], reply[size + 2] = before[i], force[i]
        size = size + 2
      end
    end
    key = key + buckets
  end
end
return reply
`;

/**
 * Counts what was heard of lately: the processes that share a store, or the limits they use. KEYS[1] is a sorted set of
 * them by when they were last heard of. ARGV is the one that is heard of now, and after how many milliseconds one is
 * forgotten.
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

/**
 * Deletes the buckets whose keys begin with KEYS[1], as many as one step of SCAN finds. ARGV[1] is the cursor; the reply
 * is the next one. The pattern is made here, because a client may put a prefix of its own before the key.
 */
export const RESET_SCRIPT = `
local pattern = string.gsub(KEYS[1], '[%[%]%*%?\\\\]', '\\\\%0') .. '*'
local found = redis.call('SCAN', ARGV[1], 'MATCH', pattern, 'COUNT', 1000)
for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end
return found[1]
`;

export function sha1(script: string): string {
  return createHash('sha1').update(script).digest('hex');
}
