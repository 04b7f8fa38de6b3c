#!lua
-- KEYS sessions channel | ARGV only except now. `only`, or all but `except` where it is empty. Gives those that lived.
local ended = {}
local which = {ARGV[1]}
if ARGV[1] == '' then which = redis.call('HKEYS', KEYS[1]) end
for _, session in ipairs(which) do
  local record = session ~= ARGV[2] and redis.call('HGET', KEYS[1], session)
  if record then
    redis.call('HDEL', KEYS[1], session)
    redis.call('SPUBLISH', KEYS[2], 's ' .. session)
    local expires = string.match(record, '^%S+ %-?%d+ %-?%d+ (%-?%d+) ')
    if tonumber(expires) > tonumber(ARGV[3]) then ended[#ended + 1] = session end
  end
end
return ended
