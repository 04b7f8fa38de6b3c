#!lua
-- KEYS room void | ARGV ttl(ms). Was the room made? If not, the attempt of this `void` key can make it no more.
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
return 0
