#!lua
-- KEYS presence channel | ARGV version published(JSON) event(JSON) default(JSON), then when they were last seen (ms) or nothing
local was = redis.call('HMGET', KEYS[1], 'published', 'version')
if (was[1] or ARGV[4]) == ARGV[2] then return 'UNCHANGED' end
if (was[2] or '0') ~= ARGV[1] then return 'STALE' end
redis.call('HSET', KEYS[1], 'published', ARGV[2])
if ARGV[5] then redis.call('HSET', KEYS[1], 'last_seen', ARGV[5]) end
redis.call('SPUBLISH', KEYS[2], ARGV[3])
return 'SENT'
