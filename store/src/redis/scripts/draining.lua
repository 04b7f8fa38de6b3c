#!lua
-- KEYS draining. Removes what has ended, gives the rest.
local t = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000)))
return redis.call('ZRANGE', KEYS[1], 0, -1)
