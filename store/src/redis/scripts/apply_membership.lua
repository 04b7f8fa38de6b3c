#!lua
-- KEYS rooms intents log channel presenceChannel | ARGV room attempt member(0|1) eventId entry changesKept
-- Only the latest intent of (user, room) may write the index: gives 0 when this attempt is not it.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call(ARGV[3] == '1' and 'SADD' or 'SREM', KEYS[1], ARGV[1]) == 1 then
  local eid = ARGV[4]
  local rev = redis.call('HINCRBY', KEYS[3], 'rev', 1)
  redis.call('HSET', KEYS[3], 'eid', eid, rev, eid .. ' ' .. ARGV[5])
  redis.call('HDEL', KEYS[3], rev - tonumber(ARGV[6]))
  redis.call('SPUBLISH', KEYS[4], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[5])
  -- Who has rooms in common may watch each other.
  redis.call('SPUBLISH', KEYS[5], 'a *')
end
return 1
