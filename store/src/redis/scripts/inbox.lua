#!lua flags=no-writes
-- KEYS items order read | ARGV limit, then the item before which or nothing. Gives item and readAt (or false) in turn.
local from = 0
if ARGV[2] then
  local rank = redis.call('ZREVRANK', KEYS[2], ARGV[2])
  if not rank then return {} end
  from = rank + 1
end
local out = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[2], from, from + tonumber(ARGV[1]) - 1)) do
  out[#out + 1] = redis.call('HGET', KEYS[1], id)
  out[#out + 1] = redis.call('HGET', KEYS[3], id)
end
return out
