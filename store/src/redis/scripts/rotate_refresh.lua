#!lua
-- KEYS sessions channel | ARGV session presented next at(ms) expires(ms) family grace(ms)
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return {'UNKNOWN'} end
local secrets, created, expires, device = string.match(record, '^(%S+) (%-?%d+) %-?%d+ (%-?%d+) (.*)$')
if tonumber(expires) <= tonumber(ARGV[4]) then return {'UNKNOWN'} end
local valid, family, replaced, since = string.match(secrets, '^(%x+):?(%x*):?(%x*):?(%-?%d*)$')
if valid == ARGV[2] then
  replaced, since = valid, ARGV[4]
elseif replaced ~= ARGV[2] or tonumber(ARGV[4]) > tonumber(since) + tonumber(ARGV[7]) then
  if family ~= ARGV[6] then return {'UNKNOWN'} end
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SPUBLISH', KEYS[2], 's ' .. ARGV[1])
  return {'REUSED'}
end
secrets = table.concat({ARGV[3], family, replaced, since}, ':')
record = table.concat({secrets, created, ARGV[4], ARGV[5], device}, ' ')
redis.call('HSET', KEYS[1], ARGV[1], record)
redis.call('PEXPIREAT', KEYS[1], ARGV[5], 'GT')
return {'ROTATED', record}
