#!lua
-- KEYS settings log channel | ARGV eventId entry changesKept reach(JSON) of who has set nothing, then a field and its
-- value in turn. Gives whether they differ from what was there.
local had, fields, same = {reach = ARGV[4]}, 1, true
local now = redis.call('HGETALL', KEYS[1])
if #now > 0 then had, fields = {}, #now / 2 end
for i = 1, #now, 2 do had[now[i]] = now[i + 1] end
for i = 5, #ARGV, 2 do same = same and had[ARGV[i]] == ARGV[i + 1] end
if same and fields == (#ARGV - 4) / 2 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
local eid = ARGV[1]
local rev = redis.call('HINCRBY', KEYS[2], 'rev', 1)
redis.call('HSET', KEYS[2], 'eid', eid, rev, eid .. ' ' .. ARGV[2])
redis.call('HDEL', KEYS[2], rev - tonumber(ARGV[3]))
redis.call('SPUBLISH', KEYS[3], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[2])
return 1
