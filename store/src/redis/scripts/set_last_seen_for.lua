#!lua
-- KEYS presence channel | ARGV whom
redis.call('HSET', KEYS[1], 'last_seen_for', ARGV[1])
redis.call('SPUBLISH', KEYS[2], 'a *')
return redis.call('HINCRBY', KEYS[1], 'version', 1)
