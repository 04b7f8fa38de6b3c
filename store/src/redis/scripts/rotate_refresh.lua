#!lua
-- KEYS session | ARGV presented next expiresAt(ms)
local valid = redis.call('HGET', KEYS[1], 'refresh')
if not valid then return {'UNKNOWN'} end
if valid == ARGV[1] then
  redis.call('HSET', KEYS[1], 'refresh', ARGV[2], 'expires', ARGV[3])
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
elseif valid ~= ARGV[2] then -- equal to `next`: the same call again, after its answer was lost
  local user = redis.call('HGET', KEYS[1], 'user')
  redis.call('DEL', KEYS[1])
  return {'REUSED', user}
end
local s = redis.call('HMGET', KEYS[1], 'user', 'refresh', 'created', 'expires')
return {'ROTATED', s[1], s[2] or false, s[3] or false, s[4] or false}
