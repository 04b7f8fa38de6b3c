#!lua
-- KEYS presence channel | ARGV version published(JSON) event(JSON) default(JSON)
local was = redis.call('HMGET', KEYS[1], 'published', 'version')
if (was[1] or ARGV[4]) == ARGV[2] then return 'UNCHANGED' end
if (was[2] or '0') ~= ARGV[1] then return 'STALE' end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
redis.call('SPUBLISH', KEYS[2], ARGV[3])
return 'SENT'
