#!lua
-- KEYS due jobs states mails
-- ARGV name attempt user state(JSON) statesKept(ms) waiting('': no mail about a room), then when to retry or nothing
local job = redis.call('HGET', KEYS[2], ARGV[1])
-- Over, or in other hands by now: what they say counts.
if not job or string.match(job, '^%d+') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
if ARGV[7] then
  redis.call('ZADD', KEYS[1], ARGV[7], ARGV[1])
  return 1
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if ARGV[6] ~= '' then
  redis.call('HDEL', KEYS[4], ARGV[1])
  local name = string.match(redis.call('HGET', KEYS[4], ARGV[6]) or '', '^%S+')
  if name == ARGV[1] then redis.call('HDEL', KEYS[4], ARGV[6]) end
end
return 1
