#!lua
-- KEYS list log channel presenceChannel | ARGV user SADD|SREM most eventId entry changesKept access
-- Gives OK, also where it was so already, or FULL.
local adds = ARGV[2] == 'SADD'
if (redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1) == adds then return 'OK' end
if adds and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 'FULL' end
redis.call(ARGV[2], KEYS[1], ARGV[1])
local eid = ARGV[4]
local rev = redis.call('HINCRBY', KEYS[2], 'rev', 1)
redis.call('HSET', KEYS[2], 'eid', eid, rev, eid .. ' ' .. ARGV[5])
redis.call('HDEL', KEYS[2], rev - tonumber(ARGV[6]))
redis.call('SPUBLISH', KEYS[3], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[5])
redis.call('SPUBLISH', KEYS[4], ARGV[7])
return 'OK'
