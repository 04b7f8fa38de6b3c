#!lua
-- KEYS ticket | ARGV attempt
local was = redis.call('HMGET', KEYS[1], 'ticket', 'by')
if not was[1] then return false end
if was[2] and was[2] ~= ARGV[1] then return false end
redis.call('HSET', KEYS[1], 'by', ARGV[1])
redis.call('PEXPIRE', KEYS[1], 5000, 'LT')
return was[1]
