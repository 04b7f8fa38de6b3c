#!lua
-- KEYS room members joined marks changes channel void mentions outcomes | ARGV user eventId name(JSON) changesKept mostEntries
if redis.call('EXISTS', KEYS[7]) == 1 then return {'VOID'} end
local user, eid = ARGV[1], ARGV[2]
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], user) == 0 then
  -- The same call again, after its answer was lost.
  if head[2] == eid then return {'OK', head[1]} end
  return {'NOT_A_MEMBER'}
end
local t = redis.call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
redis.call('HDEL', KEYS[2], user)
redis.call('ZREM', KEYS[3], user)
redis.call('HDEL', KEYS[4], user)
-- What is over the limit is counted no more either, since coming back is later than it; it goes with its messages.
local named = redis.call('ZRANGE', KEYS[8], '[' .. user .. ' ', '(' .. user .. '!', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[5]))
if #named > 0 then redis.call('ZREM', KEYS[8], unpack(named)) end
redis.call('HDEL', KEYS[9], user)
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HINCRBY', KEYS[1], 'members', -1)
redis.call('HSET', KEYS[5], rev, 'l ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0')
redis.call('HDEL', KEYS[5], string.format('%d', revn - tonumber(ARGV[4])))
redis.call('SPUBLISH', KEYS[6], 'l ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0\n' .. ARGV[3] .. '\n')
return {'OK', rev}
