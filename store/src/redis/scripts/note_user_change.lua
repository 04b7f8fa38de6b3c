#!lua
-- KEYS log channel | ARGV eventId entry changesKept. Gives its rev.
local eid = ARGV[1]
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
-- The same call again, after its answer was lost.
if head[2] == eid then return tonumber(head[1]) end
local rev = redis.call('HINCRBY', KEYS[1], 'rev', 1)
redis.call('HSET', KEYS[1], 'eid', eid, rev, eid .. ' ' .. ARGV[2])
redis.call('HDEL', KEYS[1], rev - tonumber(ARGV[3]))
redis.call('SPUBLISH', KEYS[2], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[2])
return rev
