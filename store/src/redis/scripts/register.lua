#!lua
-- KEYS entries expiry | ARGV id entry(JSON) ttl(ms)
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('ZADD', KEYS[2], string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[3])), ARGV[1])
