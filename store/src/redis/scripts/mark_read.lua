#!lua
-- KEYS room members read | ARGV user seq
local last = redis.call('HGET', KEYS[1], 'seq')
if not last then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return {'NOT_A_MEMBER'} end
local now = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
local to = math.min(tonumber(ARGV[2]), tonumber(last))
if to > now then
  redis.call('HSET', KEYS[3], ARGV[1], string.format('%d', to))
  now = to
end
return {'OK', now}
