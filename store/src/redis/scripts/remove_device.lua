#!lua
-- KEYS presence | ARGV the begin of the instance's names, at(ms), then the device or nothing (all of the instance)
-- Gives how many were removed, how many are left, and how many of them are of this instance.
local own = ARGV[1]
local removed, left, of_instance = 0, 0, 0
if ARGV[3] then removed = redis.call('HDEL', KEYS[1], ARGV[3]) end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local mine = string.sub(name, 1, #own) == own
  if mine and not ARGV[3] then
    removed = removed + redis.call('HDEL', KEYS[1], name)
  elseif string.sub(name, 1, 2) == 'd:' then
    left = left + 1
    if mine then of_instance = of_instance + 1 end
  end
end
if removed > 0 then
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  if left == 0 then redis.call('HSET', KEYS[1], 'last_seen', ARGV[2]) end
end
return {removed, left, of_instance}
