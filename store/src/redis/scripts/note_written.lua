#!lua
-- KEYS wrote presenceChannel | ARGV user access. Gives whether it is new.
local new = redis.call('SADD', KEYS[1], ARGV[1])
if new == 1 then redis.call('SPUBLISH', KEYS[2], ARGV[2]) end
return new
