#!lua
-- KEYS due jobs states | ARGV statesKept(ms) notification, then for each job: user state(JSON) job(JSON)
for i = 3, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[3], ARGV[i], ARGV[i + 1]) == 1 then
    local name = ARGV[2] .. ':' .. ARGV[i]
    redis.call('HSET', KEYS[2], name, '0 ' .. ARGV[i + 2])
    redis.call('ZADD', KEYS[1], 0, name)
  end
end
return redis.call('PEXPIRE', KEYS[3], ARGV[1])
