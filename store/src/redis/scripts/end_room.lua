#!lua
-- KEYS room former ending files orphans | ARGV room ttl(ms) mostFiles, then users whose lists have followed. Gives how
-- many of them and of the room's files are left.
for i = 4, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
local files = redis.call('SPOP', KEYS[4], ARGV[3])
if #files > 0 then redis.call('SADD', KEYS[5], unpack(files)) end
local left = redis.call('ZCARD', KEYS[2]) + redis.call('SCARD', KEYS[4])
if left == 0 then
  redis.call('ZREM', KEYS[3], ARGV[1])
  if redis.call('HEXISTS', KEYS[1], 'deleted') == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return left
