#!lua
-- KEYS presence | ARGV chosen, then the text or nothing
redis.call('HSET', KEYS[1], 'chosen', ARGV[1])
if ARGV[2] then redis.call('HSET', KEYS[1], 'text', ARGV[2]) else redis.call('HDEL', KEYS[1], 'text') end
return redis.call('HINCRBY', KEYS[1], 'version', 1)
