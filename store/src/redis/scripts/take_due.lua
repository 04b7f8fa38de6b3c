#!lua
-- KEYS due, then the rooms' hashes | ARGV now until, then the rooms in the same order
local out = {}
for i = 2, #KEYS do
  local room = ARGV[i + 1]
  local score = redis.call('ZSCORE', KEYS[1], room)
  if score and tonumber(score) <= tonumber(ARGV[1]) then
    local head = redis.call('HMGET', KEYS[i], 'notified', 'seq')
    if head[2] then
      redis.call('ZADD', KEYS[1], ARGV[2], room)
      out[#out + 1] = {room, head[1], head[2]}
    else
      redis.call('ZREM', KEYS[1], room)
    end
  end
end
return out
