#!lua
-- KEYS room messages changes deleted channel | ARGV seq user eventId name(JSON) changesKept
local seq, user, eid = ARGV[1], ARGV[2], ARGV[3]
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
local old = redis.call('HGET', KEYS[2], seq)
if not old then return {'NO_MESSAGE'} end
local at, gone, meta = string.match(old, '^(%d+) (%S+)\n([^\n]*)\n')
if gone ~= '-' then
  -- The same call again, after its answer was lost.
  if head[2] == eid then return {'OK', head[1]} end
  return {'GONE'}
end
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
redis.call('HSET', KEYS[2], seq, at .. ' ' .. now .. '\n' .. meta .. '\n')
redis.call('ZADD', KEYS[4], seq, seq)
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HSET', KEYS[3], rev, 'd ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq)
redis.call('HDEL', KEYS[3], string.format('%d', revn - tonumber(ARGV[5])))
redis.call('SPUBLISH', KEYS[5], 'd ' .. rev .. ' ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq .. '\n' .. ARGV[4] .. '\n\n')
return {'OK', rev}
