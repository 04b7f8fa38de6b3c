#!lua
-- KEYS room members messages changes read due channel dedupe
-- ARGV author eventId meta content name(JSON) room notifyAfter(ms) contentHash changesKept dedupeKept(ms; 0: no key)
local author, eid = ARGV[1], ARGV[2]
if ARGV[10] ~= '0' then
  local first = redis.call('GET', KEYS[8])
  if first then
    if string.sub(first, 1, 64) ~= ARGV[8] then return {'CONFLICT'} end
    return {'OK', string.sub(first, 66)}
  end
end
local head = redis.call('HMGET', KEYS[1], 'seq', 'rev')
if not head[1] then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], author) == 0 then return {'NOT_A_MEMBER'} end
local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local at = string.format('%d', ms)
local seq = string.format('%d', tonumber(head[1]) + 1)
local revn = tonumber(head[2]) + 1
local rev = string.format('%d', revn)
redis.call('HSET', KEYS[1], 'seq', seq, 'rev', rev, 'eid', eid)
redis.call('HSET', KEYS[3], seq, at .. ' -\n' .. ARGV[3] .. '\n' .. ARGV[4])
redis.call('HSET', KEYS[4], rev, 'm ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq)
redis.call('HDEL', KEYS[4], string.format('%d', revn - tonumber(ARGV[9])))
redis.call('HSET', KEYS[5], author, seq)
redis.call('ZADD', KEYS[6], 'NX', string.format('%d', ms + tonumber(ARGV[7])), ARGV[6])
local result = seq .. ' ' .. rev .. ' ' .. eid .. ' ' .. at
if ARGV[10] ~= '0' then redis.call('SET', KEYS[8], ARGV[8] .. ' ' .. result, 'PX', ARGV[10]) end
redis.call('SPUBLISH', KEYS[7], 'm ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq .. '\n' .. ARGV[5] .. '\n' .. ARGV[3] .. '\n' .. ARGV[4])
return {'OK', result}
