#!lua
-- KEYS uploads claimed | ARGV room attempt, then ids. Those this claim has are as they were before it.
local claim = ARGV[1] .. ' ' .. ARGV[2]
for i = 3, #ARGV do
  local held = redis.call('HGET', KEYS[2], ARGV[i])
  if held then
    local by, row = string.match(held, '^%d+ ([^\n]*)\n(.*)$')
    if by == claim then
      redis.call('HSET', KEYS[1], ARGV[i], row)
      redis.call('HDEL', KEYS[2], ARGV[i])
    end
  end
end
return 'OK'
