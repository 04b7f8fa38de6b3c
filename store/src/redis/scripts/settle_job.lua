#!lua
-- KEYS due jobs states | ARGV name attempt user state(JSON) statesKept(ms), then when to retry or nothing
local job = redis.call('HGET', KEYS[2], ARGV[1])
-- Over, or in other hands by now: what they say counts.
if not job or string.match(job, '^%d+') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
if ARGV[6] then
  redis.call('ZADD', KEYS[1], ARGV[6], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return 1
