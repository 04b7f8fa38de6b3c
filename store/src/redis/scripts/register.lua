#!lua
-- KEYS entries expiry draining | ARGV id entry(JSON) ttl(ms). Gives 1 where the instance is asked to stop.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%d', now + tonumber(ARGV[3])), ARGV[1])
return tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or 0) > now and 1 or 0
