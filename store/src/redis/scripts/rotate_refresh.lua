#!lua
-- KEYS sessions channel | ARGV session presented next at(ms) expires(ms)
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return {'UNKNOWN'} end
local valid, created, expires, device = string.match(record, '^(%x+) (%-?%d+) %-?%d+ (%-?%d+) (.*)$')
if tonumber(expires) <= tonumber(ARGV[4]) then return {'UNKNOWN'} end
if valid == ARGV[2] then
  record = table.concat({ARGV[3], created, ARGV[4], ARGV[5], device}, ' ')
  redis.call('HSET', KEYS[1], ARGV[1], record)
  redis.call('PEXPIREAT', KEYS[1], ARGV[5], 'GT')
elseif valid ~= ARGV[3] then -- equal to `next`: the same call again, after its answer was lost
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SPUBLISH', KEYS[2], 's ' .. ARGV[1])
  return {'REUSED'}
end
return {'ROTATED', record}
