#!lua
-- KEYS due jobs states mails
-- ARGV waiting name after upto due user state(JSON) job(JSON) statesKept(ms). Gives the name of the mail that has them.
local before = redis.call('HGET', KEYS[4], ARGV[1])
if before then
  local name, after, upto = string.match(before, '^(%S+) (%d+) (%d+)$')
  if tonumber(ARGV[3]) < tonumber(after) then after = ARGV[3] end
  if tonumber(ARGV[4]) > tonumber(upto) then upto = ARGV[4] end
  redis.call('HSET', KEYS[4], ARGV[1], name .. ' ' .. after .. ' ' .. upto)
  return name
end
if redis.call('HSETNX', KEYS[3], ARGV[6], ARGV[7]) == 1 then
  redis.call('HSET', KEYS[2], ARGV[2], '0 ' .. ARGV[8])
  redis.call('ZADD', KEYS[1], ARGV[5], ARGV[2])
  redis.call('HSET', KEYS[4], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
end
redis.call('PEXPIRE', KEYS[3], ARGV[9])
return ARGV[2]
