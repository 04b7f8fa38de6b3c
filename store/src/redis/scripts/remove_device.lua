#!lua
-- KEYS presence | ARGV the begin of the instance's names, at(ms), default(JSON), then the device or nothing (all of the
-- instance). Gives how many of the instance are left, and whether what went was the user's last, or in focus.
local own = ARGV[1]
local removed, left, of_instance, looked = 0, 0, 0, false
local function remove(name)
  local device = redis.call('HGET', KEYS[1], name)
  if not device then return end
  removed = removed + redis.call('HDEL', KEYS[1], name)
  looked = looked or string.find(device, '"focused":true', 1, true) ~= nil
end
if ARGV[4] then remove(ARGV[4]) end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local mine = string.sub(name, 1, #own) == own
  if mine and not ARGV[4] then
    remove(name)
  elseif string.sub(name, 1, 2) == 'd:' then
    left = left + 1
    if mine then of_instance = of_instance + 1 end
  end
end
-- An earlier call may have removed it, and its answer be lost: one look too many does no harm.
if removed == 0 then return {of_instance, redis.call('HEXISTS', KEYS[1], 'left')} end
redis.call('HINCRBY', KEYS[1], 'version', 1)
if left > 0 and not looked then return {of_instance, 0} end
redis.call('HSET', KEYS[1], 'left', ARGV[2])
-- Who looks offline is not seen to go.
local hidden = (redis.call('HGET', KEYS[1], 'published') or ARGV[3]) == ARGV[3]
if left == 0 and not hidden then redis.call('HSET', KEYS[1], 'last_seen', ARGV[2]) end
return {of_instance, 1}
