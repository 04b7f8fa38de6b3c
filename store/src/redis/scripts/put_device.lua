#!lua
-- KEYS devices presence | ARGV device value(JSON)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'version', 1)
