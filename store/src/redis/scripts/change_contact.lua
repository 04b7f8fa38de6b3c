#!lua
-- KEYS contacts log channel | ARGV contact SADD|SREM eventId entry changesKept. Gives 0 where it was so already.
if redis.call(ARGV[2], KEYS[1], ARGV[1]) == 0 then return 0 end
local eid = ARGV[3]
local rev = redis.call('HINCRBY', KEYS[2], 'rev', 1)
redis.call('HSET', KEYS[2], 'eid', eid, rev, eid .. ' ' .. ARGV[4])
redis.call('HDEL', KEYS[2], rev - tonumber(ARGV[5]))
redis.call('SPUBLISH', KEYS[3], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[4])
return 1
