#!lua
-- KEYS room former ending | ARGV room ttl(ms), then users whose lists have followed. Gives how many are left.
for i = 3, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
local left = redis.call('ZCARD', KEYS[2])
if left == 0 then
  redis.call('ZREM', KEYS[3], ARGV[1])
  if redis.call('HEXISTS', KEYS[1], 'deleted') == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return left
