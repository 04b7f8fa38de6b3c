#!lua
-- KEYS rooms intents channel | ARGV room attempt member(0|1) added(JSON) removed(JSON)
-- Only the latest intent of (user, room) may write the index: gives 0 when this attempt is not it.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[3] == '1' then
  if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('SPUBLISH', KEYS[3], ARGV[4]) end
else
  if redis.call('SREM', KEYS[1], ARGV[1]) == 1 then redis.call('SPUBLISH', KEYS[3], ARGV[5]) end
end
return 1
