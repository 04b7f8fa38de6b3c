#!lua
-- KEYS leases | ARGV now until. Gives the process whose lease ended first, now ours to walk until then. It stands there
-- under another name, so that a beat of its own finds no lease to renew.
local found = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)[1]
if not found then return false end
local instance = string.match(found, '^%S+')
redis.call('ZREM', KEYS[1], found)
redis.call('ZADD', KEYS[1], ARGV[2], instance .. ' dead')
return instance
