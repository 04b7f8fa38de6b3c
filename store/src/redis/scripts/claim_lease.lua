#!lua
-- KEYS leases | ARGV now until. Gives the process whose lease ended first, now ours to walk until then.
local found = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, 1)
if not found[1] then return false end
redis.call('ZADD', KEYS[1], ARGV[2], found[1])
return found[1]
