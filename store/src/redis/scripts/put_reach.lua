#!lua
-- KEYS settings log channel | ARGV eventId entry changesKept expected(JSON; '': nothing is set) reach(JSON)
-- Gives whether it was as expected.
if (redis.call('HGET', KEYS[1], 'reach') or '') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'reach', ARGV[5])
local eid = ARGV[1]
local rev = redis.call('HINCRBY', KEYS[2], 'rev', 1)
redis.call('HSET', KEYS[2], 'eid', eid, rev, eid .. ' ' .. ARGV[2])
redis.call('HDEL', KEYS[2], rev - tonumber(ARGV[3]))
redis.call('SPUBLISH', KEYS[3], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[2])
return 1
